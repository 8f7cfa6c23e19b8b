"""Reading images, label maps and pairs of them; no model."""
