"""Two ends that hear the same wire: one takes many packets at once, the other one by one."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Mapping
from typing import Any
from unittest import mock

from iosish.forwarding import gre, ipv4
from iosish.forwarding.large_in import ReceivedRun
from iosish.forwarding.rules import Forwarder, Received
from iosish.forwarding.tables import Tunnel
from iosish.ipsec.sa import SecurityAssociation
from iosish.plane import udp_4500
from iosish.plane.user import sockets, wire
from iosish.plane.user.fast import Fast
from iosish.plane.user.sources import Sources
from tests.bursts.taps import cut

NOW = 5.0
CEILING_S = 20.0
US, PEER = "127.0.0.1", "127.0.0.2"
_SOL_UDP, _UDP_SEGMENT = 17, 103
_END = b"this is the last IKE message of them"


def at_now() -> Any:
    return mock.patch("time.monotonic", return_value=NOW)


class _Wire(wire.Wire):
    def _hear_icmp(self, wanted: bool) -> None:
        """Nobody sends any here."""


class Ear:
    """The receiving half of a forwarder on sockets of its own; no privileges are needed.

    `heard` is what came out, in order: packets for a device, NHRP, IKE; large packets as the kernel cuts them.
    """

    def __init__(self, tunnel: Tunnel, sas: Iterable[SecurityAssociation], *, many: bool) -> None:
        self.rules = Forwarder()
        self.rules.configure({tunnel.name: tunnel}, NOW)
        for sa in sas:
            self.rules.install(sa, NOW)
        self.heard: list[Any] = []
        self.joined = 0
        self._fast = Fast(self.rules)
        self._fast.many.receiver.LEAST = 2  # as many at once as can be, so that what is drawn may be small
        self._raw: dict[int, socket.socket] = {}
        self._ends: list[socket.socket] = []
        self._sources = Sources()
        with mock.patch.object(sockets, "listener", self._listener):
            self._wire = _Wire(self.rules, self._sources, self)
            if many:
                self._wire.speed_up(self._fast.many)
            self._wire.configure({tunnel.name: tunnel})
            port = sockets.open_port(0)
            self.address = US, port.getsockname()[1]
            self._wire.open(port.detach())

    def _listener(self, protocol: int) -> socket.socket:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        near.setblocking(False)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self._raw[protocol] = far
        self._ends += near, far
        return near

    def close(self) -> None:
        self._wire.open(None)
        for end in self._ends:
            end.close()

    # What comes in

    def take_raw(self, protocol: int, packets: Iterable[bytes]) -> None:
        for packet in packets:
            self._raw[protocol].send(packet)
        self._listen(0.0)

    def take_udp(self, sender: socket.socket, runs: Iterable[list[bytes]]) -> None:
        """Datagrams; those of a run are of one size, and the last one of it may be shorter."""
        for datagrams in runs:
            size = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", len(datagrams[0])))] if len(datagrams) > 1 else []
            sender.sendmsg([b"".join(datagrams)], size, 0, self.address)
        sender.sendto(udp_4500.NON_ESP_MARKER + _END, self.address)
        while not self.heard or self.heard[-1] != ("IKE", _END):
            assert self._listen(CEILING_S), "a datagram on the loopback was lost"
        self.heard.pop()

    def _listen(self, ceiling_s: float) -> bool:
        taken = False
        with at_now():
            while ready := self._sources.wait(0.0 if taken else ceiling_s):
                taken = True
                for descriptor in ready:
                    self._sources.handle(descriptor)
        return taken

    # What comes out

    def take_in(self, received: Received, local: bytes) -> None:
        self.heard.append((*received[:2], bytes(received[2])))
        if received[1] == gre.NHRP:
            self.heard.append((local, *received[3:]))

    def take_run(self, run: ReceivedRun) -> None:
        for count, parts in self._fast.frames(run):
            packets = cut(b"".join(parts))
            assert len(packets) == count
            self.joined += count > 1
            self.heard += [(run.tunnel, gre.IPV4, packet) for packet in packets]

    def take_ike(self, local: bytes, peer: bytes, peer_port: int, message: bytes) -> None:
        self.heard.append(("IKE", message))

    def catch_up(self) -> None:
        """There is no control side."""

    def count(self, reason: str) -> None:
        self.heard.append(("counted", reason))

    def state(self) -> Mapping[str, Any]:
        """All that packets leave behind."""
        rules = self.rules
        windows = {
            spi: (sa.window.highest, sa.window._seen & sa.window._mask) for spi, sa in rules.protection._inbound.items()
        }
        return {
            "heard": self.heard,
            "interfaces": rules.counters,
            "drops": rules.drops.reasons,
            "SAs": rules.sa_counters(),
            "used SAs": rules.take_sa_usage(),
            "windows": windows,
            "refused": sorted(rules.take_refused(), key=repr),
            "ESP refused": sorted(rules.take_esp_refused()),
            "returned": list(rules.returned),
        }


def raw_packets(source: bytes, destination: bytes, protocol: int, frames: Iterable[bytes]) -> list[bytes]:
    return [ipv4.build(source, destination, protocol, frame) for frame in frames]
