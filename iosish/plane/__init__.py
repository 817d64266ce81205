"""Data planes: the same forwarding rules on real devices, or on wires in memory."""
