"""The configuration model, its drafts and commits, and where it is stored."""
