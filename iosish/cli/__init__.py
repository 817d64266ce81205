"""Text to commands: the grammar files, the matcher, help, and the rendering of a configuration."""
