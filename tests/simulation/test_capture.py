"""Captures in the simulated lab: what tunnel and uplink show of the same ping."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from iosish.capture import dissect
from iosish.capture.captures import Captures
from iosish.capture.state import Direction
from iosish.engine import LogEvent
from iosish.icmp.ping import PingRequest
from iosish.sim.node import Node
from iosish.sim.topology import SimLab


class Around:
    def __init__(self, node: Node) -> None:
        self._node = node
        self.captures = Captures(self)

    def watch(self, interfaces: frozenset[str]) -> None:
        self._node.watch(self.captures, interfaces)

    def log(self, event: LogEvent) -> None:
        self._node.log(event)

    def caught_up(self, then: Callable[[], None]) -> None:
        self._node.world.call_soon(then)

    def later(self, delay_s: float, do: Callable[[], None]) -> Callable[[], object]:
        return self._node.world.call_later(delay_s, do).cancel


def test_the_tunnel_and_its_uplink_show_the_same_conversation(lab: SimLab) -> None:
    captures = Around(lab["R2"]).captures
    for name, interface in (("T", "Tunnel0"), ("U", "FastEthernet0/0")):
        captures.attach(name, interface, Direction.BOTH)
        captures.start(name)
    assert "!!!!!" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    tunnel = [(packet.inbound, packet.data[20:]) for packet in captures.packets("T")]
    uplink = [(packet.inbound, packet.data[34:]) for packet in captures.packets("U")]
    assert sorted(tunnel) == sorted(uplink), "the same GRE, in clear"
    read = [dissect.line(packet.data, tunnel=True) for packet in captures.packets("T")]
    assert [line.protocol for line in read].count("NHRP") == 4
    assert [line.protocol for line in read].count("ICMP") == 10
    for name in ("T", "U"):
        captures.stop(name)
    lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    assert len(captures.packets("T")) == len(tunnel)
