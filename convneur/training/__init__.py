"""Training a net on a folder: the loop on an existing engine, its state on disk."""
