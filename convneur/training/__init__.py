"""Training a net on a folder, and asking a trained one: the loop on an existing engine, its state on disk."""
