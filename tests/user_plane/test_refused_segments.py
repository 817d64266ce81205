"""A kernel that refuses many datagrams in one call: each leaves alone, once; what a full link loses is counted."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import takewhile
from unittest import mock

import pytest

from iosish.forwarding import ipv4
from iosish.forwarding.ipv4 import Packet
from iosish.forwarding.large_in import LargeIn
from iosish.forwarding.rules import Forwarder, Outer
from iosish.forwarding.runs import Run
from iosish.plane.user import many, sockets, wire
from iosish.plane.user.sockets import Target, UdpPort
from iosish.plane.user.sources import Sources
from tests.bursts.ends import NOW, PEER, US
from tests.bursts.receiving import TUNNEL
from tests.bursts.stretches import FAR, NEAR
from tests.ipsec.associations import GCM, outbound

#: A path that is too small, an old kernel, a device that computes no checksum, a rule that forbids it.
CANNOT = (errno.EMSGSIZE, errno.EINVAL, errno.EIO, errno.EPERM)
FULL = (errno.EAGAIN, errno.ENOBUFS)
CEILING_S = 15.0
SIZE = 500


class _Port(UdpPort):
    """Some sends are refused, each with the next of these errors, 0 for none; a datagram that is in `alone`, always."""

    together: list[int]
    alone: dict[bytes, int]

    def send_segments(
        self, local: bytes, tos: int, ttl: int, df: bool, blocks: Sequence[Packet], size: int, to: Target
    ) -> None:
        error = self.together.pop(0) if self.together else 0
        if error:
            raise OSError(error, "refused")
        super().send_segments(local, tos, ttl, df, blocks, size, to)

    def send(
        self, local: bytes, tos: int, ttl: int, df: bool, payload: bytes, to: Target, *, checksum: bool = True
    ) -> None:
        if payload in self.alone:
            raise OSError(self.alone[payload], "refused")
        super().send(local, tos, ttl, df, payload, to, checksum=checksum)


class Line:
    """The outward side of a forwarder whose one tunnel leaves by UDP on the loopback, and the peer's port there."""

    def __init__(self) -> None:
        self._peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._peer.bind((PEER, 0))
        self._peer.settimeout(CEILING_S)
        self._ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) + socket.socketpair(
            socket.AF_UNIX, socket.SOCK_DGRAM
        )
        us, peer = IPv4Address(US), IPv4Address(PEER)
        ends = {"local": us, "peer": peer, "selector_local": us, "selector_peer": peer}
        sa = outbound(GCM, **ends, udp_ports=(4500, self._peer.getsockname()[1]))
        tunnel = replace(TUNNEL, local=us, adjacencies={1: peer}, crypto_map=sa.crypto_map)
        self.rules = Forwarder()
        self.rules.configure({tunnel.name: tunnel}, NOW)
        self.rules.install(sa, NOW)
        self.port = _Port(sockets.open_port(0))
        self.port.together, self.port.alone = [], {}
        listeners = [self._ends[0], self._ends[2]]
        with (
            mock.patch.object(sockets, "listener", lambda protocol: listeners.pop()),
            mock.patch.object(wire, "UdpPort", lambda own: self.port),
            mock.patch.object(wire.Wire, "_hear_icmp"),
        ):
            self.wire = wire.Wire(self.rules, Sources(), mock.Mock())
            self.wire.configure({tunnel.name: tunnel})
            self.wire.open(self._ends[1].detach())

    def close(self) -> None:
        self.wire.open(None)
        self._peer.close()
        for end in self._ends:
            end.close()

    def take_many(self, sender: many.Sender) -> None:
        self.wire.speed_up(wire.ManyPackets(many.Receiver(), sender, LargeIn(self.rules)))

    def sealed(self, sizes: Sequence[int], df: bool = False) -> list[Outer]:
        """Packets of the tunnel with so many octets inside."""
        packets = [ipv4.build(FAR, NEAR, ipv4.UDP, bytes(size - 20), df=df) for size in sizes]
        return [outer for packet in packets for outer in self.rules.transmit("Tunnel0", 1, packet, NOW)]

    def heard(self, number: int) -> list[bytes]:
        """So many datagrams, and no more."""
        taken = [self._peer.recv(65536) for _ in range(number)]
        self._peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            self._peer.recv(65536)
        self._peer.settimeout(CEILING_S)
        return taken

    @property
    def drops(self) -> int:
        return self.rules.counters["Tunnel0"].drops_out


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    try:
        yield line
    finally:
        line.close()


def frames(outers: list[Outer]) -> list[bytes]:
    return [outer[4] for outer in outers]


def as_run(outers: list[Outer]) -> Run:
    """The same as large packets come."""
    destination, tos, ttl, df, first, protocol, ports = outers[0]
    return Run(destination, tos, ttl, df, [memoryview(b"".join(frames(outers)))], len(first), protocol, ports)


@pytest.mark.parametrize("error", CANNOT, ids=errno.errorcode.get)
@pytest.mark.parametrize("large", [False, True])
def test_each_leaves_alone_once_and_in_order(line: Line, error: int, large: bool) -> None:
    sealed = line.sealed([SIZE] * 9 + [77])
    line.port.together = [error]
    if large:
        line.wire.send_runs("Tunnel0", [as_run(sealed)])
    else:
        line.wire.send("Tunnel0", sealed)
    assert line.heard(10) == frames(sealed)
    assert line.drops == 0


@pytest.mark.parametrize("error", FULL, ids=errno.errorcode.get)
@pytest.mark.parametrize("large", [False, True])
def test_a_full_link_loses_all_that_was_in_the_call_and_counts_it(line: Line, error: int, large: bool) -> None:
    lost, more = line.sealed([SIZE] * 9 + [77]), line.sealed([SIZE] * 3)
    line.port.together = [error]
    for outers in (lost, more):
        if large:
            line.wire.send_runs("Tunnel0", [as_run(outers)])
        else:
            line.wire.send("Tunnel0", outers)
    assert line.heard(3) == frames(more)
    assert line.drops == 10


@pytest.mark.parametrize(
    ("errors", "lost"),
    [
        ((errno.EINVAL, 0), range(0)),
        ((0, errno.EIO), range(0)),
        ((errno.EMSGSIZE, errno.ENOBUFS), range(64, 100)),
        ((errno.EAGAIN, errno.EINVAL), range(64)),
    ],
)
def test_of_several_calls_each_comes_to_its_own_end(line: Line, errors: tuple[int, int], lost: range) -> None:
    sealed = line.sealed([SIZE] * 100)
    line.port.together = list(errors)
    line.wire.send_runs("Tunnel0", [as_run(sealed)])
    assert line.heard(100 - len(lost)) == [frame for at, frame in enumerate(frames(sealed)) if at not in lost]
    assert line.drops == len(lost)


@pytest.mark.parametrize("error", [*FULL, errno.EMSGSIZE], ids=errno.errorcode.get)
def test_one_that_is_refused_alone_too_is_lost_and_counted_and_the_others_go_on(line: Line, error: int) -> None:
    sealed = line.sealed([SIZE] * 9, df=True)
    line.port.together, line.port.alone = [errno.EMSGSIZE], {sealed[4][4]: error}
    line.wire.send("Tunnel0", sealed)
    assert line.heard(8) == frames(sealed[:4] + sealed[5:])
    assert line.drops == 1


class _Sender(many.Sender):
    """Refuses the packets in `refuse`, as sendmmsg(2) does: what comes before one of them goes."""

    def __init__(self, refuse: dict[bytes, int]) -> None:
        super().__init__()
        self.refuse = refuse
        self.sent: list[bytes] = []

    def send(self, descriptor: int, destination: bytes, block: Packet, size: int, first: int) -> int:
        packets = [bytes(block[at : at + size]) for at in range(first * size, len(block), size)]
        going = list(takewhile(lambda packet: packet not in self.refuse, packets))
        if not going:
            raise OSError(self.refuse[packets[0]], "refused")
        self.sent += going
        return len(going)


@pytest.mark.parametrize("together", [9, 4, 1])
def test_raw_packets_that_are_refused_are_counted_and_the_others_go_on_in_order(line: Line, together: int) -> None:
    sealed = frames(line.sealed([SIZE] * 9 + [77]))
    refused = dict(zip((sealed[0], sealed[4], sealed[5], sealed[9]), (*FULL, *CANNOT), strict=False))
    run = as_run([(IPv4Address(PEER).packed, 0, 255, False, frame, ipv4.ESP, None) for frame in sealed])
    run = run._replace(blocks=[b"".join(sealed[at : at + together]) for at in range(0, 10, together)])
    sender = _Sender(refused)
    with mock.patch.object(wire, "RawSender"):
        line.take_many(sender)
        line.wire.send_runs("Tunnel0", [run])
    assert sender.sent == [frame for frame in sealed if frame not in refused]
    assert line.drops == 4


def test_without_an_open_port_all_are_lost_and_counted(line: Line) -> None:
    sealed = line.sealed([SIZE] * 9)
    line.wire.open(None)
    line.wire.send("Tunnel0", sealed)
    line.wire.send_runs("Tunnel0", [as_run(sealed)])
    assert line.heard(0) == []
    assert line.drops == 18


def test_a_kernel_that_takes_fewer_in_one_call_gets_them_one_by_one(line: Line) -> None:
    """Not our own refusal but this kernel's: it cuts at most 64 or 128 datagrams from one call (linux/udp.h)."""
    sealed = line.sealed([100] * 300)
    with (
        mock.patch.object(sockets, "SEGMENTS_MAX", 300),
        mock.patch.object(line.port, "send", wraps=line.port.send) as alone,
    ):
        line.wire.send("Tunnel0", sealed)
    assert alone.call_count == 300
    assert line.heard(300) == frames(sealed)
    assert line.drops == 0
