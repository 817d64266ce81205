"""NHRP (RFC 2332 and what IOS does beyond it), without I/O."""
