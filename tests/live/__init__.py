"""The whole program with real packets: labs from the command line, screens from consoles, frames from wires."""
