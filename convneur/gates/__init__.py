"""What the gates do to local features: captured from a net, reduced to maps, scaled for drawing, put on record."""
