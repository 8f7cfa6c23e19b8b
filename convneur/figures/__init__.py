"""Results as pictures: matplotlib figures without pyplot. Nothing is computed here and no torch is loaded."""
