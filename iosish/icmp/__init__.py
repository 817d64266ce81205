"""Ping and traceroute, without I/O."""
