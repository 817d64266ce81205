"""IPsec: transforms, security associations, ESP bytes and the replay window. No I/O."""
