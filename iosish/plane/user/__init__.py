"""The user-space data plane: TAP devices, raw sockets, a forwarder process, and netlink."""
