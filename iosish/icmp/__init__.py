"""Ping and traceroute, without I/O: `session` is their surface."""
