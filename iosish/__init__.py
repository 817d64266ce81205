"""iosish: an IOS-style router shell for Linux that runs a real DMVPN."""

__version__ = "0.1"
