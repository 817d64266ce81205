"""What becomes of the links and routes of a namespace, in order."""

from __future__ import annotations

from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from iosish.plane.user.events import event_socket
from iosish.plane.user.routes import GUARD_METRIC
from tests.user_plane.test_live_wire import inside


class Changes:
    """From now on, in the namespace of that name."""

    def __init__(self, name: str) -> None:
        self._socket = inside(name, event_socket)

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def seen(self) -> list[tuple[str, str]]:
        """Event, and device or network; a guard with a star."""
        seen: list[tuple[str, str]] = []
        while True:
            try:
                data = self._socket.recv(1 << 20)
            except BlockingIOError:
                return seen
            for message in MarshalRtnl().parse(data):
                if message["event"].endswith("LINK"):
                    seen.append((message["event"], message.get_attr("IFLA_IFNAME")))
                elif message["event"].endswith("ROUTE"):
                    star = "*" * (message.get_attr("RTA_PRIORITY") == GUARD_METRIC)
                    seen.append((message["event"], f"{message.get_attr('RTA_DST')}/{message['dst_len']}{star}"))
