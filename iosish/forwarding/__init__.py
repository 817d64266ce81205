"""What a tunnel does with a packet, without I/O."""
