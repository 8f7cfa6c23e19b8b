"""Reading photos, label maps and pairs of them; no model."""
