"""Any model's layers: found by name, tapped as the model runs, their outputs read as maps of the image."""
