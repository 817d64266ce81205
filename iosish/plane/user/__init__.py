"""The user-space data plane: TAP devices, raw sockets, a forwarder process, and netlink."""

from iosish.plane.user.plane import UserPlane

__all__ = ["UserPlane"]
