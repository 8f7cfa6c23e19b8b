"""The commands, a file each; no command imports another."""
