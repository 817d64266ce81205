"""The text of show commands, one module per family, from snapshots."""
