"""The packets that `debug ip packet`, `debug ip icmp` and `debug tunnel` are about, on their way to the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address

from iosish import access_list
from iosish.access_list import AccessList, Flow
from iosish.config.interface_name import kind
from iosish.config.model import Config
from iosish.desired import TO_ITSELF, SeenPacket
from iosish.driving import Driving
from iosish.engine import DebugEvent, Event
from iosish.forwarding import gre
from iosish.log import packet_text
from iosish.log.packet_text import Ip
from iosish.snapshot import Debugging

#: Packets of one turn that are told of; a flood beyond is counted as lost.
BURST = 64


class PacketDebug:
    """`log` takes the lines, `lost` counts of packets that had none. While nobody debugs packets it costs nothing."""

    def __init__(self, driving: Driving, log: Callable[[Event], None], lost: Callable[[int], None]) -> None:
        self._driving = driving
        self._log = log
        self._lost = lost
        self._debugging = Debugging()
        self._list: AccessList | None = None
        self._own: Mapping[IPv4Address, str] = {}
        self._watched: frozenset[str] = frozenset()

    def configure(self, debugging: Debugging, config: Config) -> None:
        """Take what is debugged, and the configuration that says which addresses and lists there are."""
        self._debugging = debugging
        wanted = debugging.topics & packet_text.TOPICS
        if not wanted and not self._watched:
            return
        name = debugging.packet_list
        self._list = access_list.find(config, name) if name is not None else None
        self._own = {
            known.ip_address.address: name for name, known in config.interfaces.items() if known.ip_address is not None
        }
        watched = _to_watch(wanted, config)
        if watched != self._watched:
            self._watched = watched
            self._driving.watch(self, watched)

    def packets_seen(self, packets: Sequence[SeenPacket]) -> None:
        mine = [packet for packet in packets if packet.interface in self._watched]
        for packet in mine[:BURST]:
            for event in self._events(packet):
                self._log(event)
        if len(mine) > BURST:
            self._lost(len(mine) - BURST)

    def packets_missed(self, interface: str, count: int) -> None:
        if interface in self._watched:
            self._lost(count)

    def _events(self, packet: SeenPacket) -> Iterator[DebugEvent]:
        topics, name, inbound = self._debugging.topics, packet.interface, packet.inbound
        inner = _ethernet(packet.data)
        if name == TO_ITSELF:
            ip = packet_text.read(inner)
            if ip is None or ip.source not in self._own or ip.destination not in self._own:
                return  # of another program on this machine
            name = self._own[ip.destination]
        elif kind(name) == "Tunnel":
            outer = packet_text.read(packet.data)
            if outer is None:
                return
            if packet_text.TUNNEL in topics:
                far = outer.source if inbound else outer.destination
                told = packet_text.tunnel(outer, name, inbound)
                yield from (DebugEvent(packet_text.TUNNEL, line, far, interface=name) for line in told)
            inner = _gre(outer.payload)
        ip = packet_text.read(inner)
        if ip is None:
            return
        if packet_text.PACKET in topics and self._chosen(ip):
            lines = packet_text.ip_packet(ip, name, inbound, self._own, detail=self._debugging.packet_detail)
            yield from (DebugEvent(packet_text.PACKET, line) for line in lines)
        if packet_text.ICMP in topics:
            yield from (DebugEvent(packet_text.ICMP, line) for line in packet_text.icmp(ip, inbound, self._own))

    def _chosen(self, ip: Ip) -> bool:
        if self._list is None:
            return True  # as on IOS, a list that is not there permits all
        return self._list.permits(Flow(int(ip.source), int(ip.destination), ip.protocol, ip.ports, ip.icmp_type))


def _to_watch(topics: frozenset[str], config: Config) -> frozenset[str]:
    if not topics:
        return frozenset()
    if topics == {packet_text.TUNNEL}:
        return frozenset(name for name in config.interfaces if kind(name) == "Tunnel")
    return frozenset(name for name in config.interfaces if kind(name) not in ("Loopback", "Null")) | {TO_ITSELF}


def _ethernet(frame: bytes) -> bytes:
    """The IPv4 packet in a frame, if that is what it holds."""
    at = 12
    if frame[at : at + 2] == b"\x81\x00":
        at += 4
    return frame[at + 2 :] if frame[at : at + 2] == b"\x08\x00" else b""


def _gre(frame: bytes) -> bytes:
    try:
        protocol, _, at = gre.parse(frame)
    except gre.GreError:
        return b""
    return frame[at:] if protocol == gre.IPV4 else b""
