"""The same frames of a TAP to three forwarders: one that cuts many segments at once, one that cuts one by one, and one
that is given what the kernel itself would have cut. What they send and what they count has to be the same.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from random import Random
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from iosish.forwarding import ipv4
from iosish.forwarding.rules import Outer
from iosish.forwarding.runs import Run
from iosish.forwarding.tables import Tunnel
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import DfBit, Mode
from iosish.plane.user import loop, sockets
from iosish.plane.user.fast import Fast
from tests.bursts import assert_same
from tests.bursts.ends import NOW, at_now
from tests.bursts.receiving import TRANSFORMS
from tests.bursts.stretches import ACK, CWR, ECE, FAR, FIN, GROUP, NEAR, PSH, RST, SYN, URG, Segment
from tests.bursts.taps import cut, superpacket
from tests.ipsec.associations import HUB, SPOKE, outbound

TAG = "Tunnel0-head-0"
TUNNEL = Tunnel(
    "Tunnel0", HUB, multipoint=True, address=IPv4Address(FAR), adjacencies={1: SPOKE}, multicast=(SPOKE,), mtu=1400
)
ETHERNET = {
    "known": bytes.fromhex("020000000001 020000000000 0800"),
    "unknown": bytes.fromhex("020000000009 020000000000 0800"),
    "group": bytes.fromhex("01005e000005 020000000000 0800"),
    "IPv6": bytes.fromhex("020000000001 020000000000 86dd"),
    "ARP": bytes.fromhex("ffffffffffff 020000000000 0806"),
}


class _Sent:
    """In place of the wire: all that was sent, in order."""

    def __init__(self) -> None:
        self.outers: list[Outer] = []
        self.runs = 0

    def send(self, name: str, outers: list[Outer]) -> None:
        self.outers += outers

    def send_runs(self, name: str, runs: list[Run]) -> None:
        for run in runs:
            frames = [bytes(frame) for frame in run.frames()]
            assert b"".join(frames) == b"".join(run.blocks)
            assert {len(frame) for frame in frames[:-1]} <= {run.size} and len(frames[-1]) <= run.size
            self.runs += 1
            self.outers += [(*run[:4], frame, run.protocol, run.ports) for frame in frames]


class Mouth:
    """A forwarder's loop whose TAP is a socket."""

    def __init__(self, tunnel: Tunnel, sas: Iterable[SecurityAssociation], *, many: bool) -> None:
        self._ends = [end for _ in range(3) for end in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)]
        with mock.patch.object(sockets, "listener", lambda protocol: self._ends[0]):
            self._loop = loop.Loop(self._ends[2])
        self.rules = self._loop._rules
        self.rules.configure({tunnel.name: tunnel}, NOW)
        for sa in sas:
            self.rules.install(sa, NOW)
        self._loop._adjacencies = {tunnel.name: tunnel.adjacencies}
        self._loop._fast = Fast(self.rules) if many else None
        self.sent = self._loop._wire = _Sent()  # type: ignore[assignment] # it is asked for no more than this
        self._loop._add_tap(tunnel.name, os.dup(self._ends[4].fileno()))
        self._tunnel = tunnel.name
        self._ends[5].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self._ends[2].setblocking(False)

    def close(self) -> None:
        self._loop._drop_tap(self._tunnel)
        for end in self._ends:
            end.close()

    def take(self, frames: Sequence[bytes], at_once: int = 1) -> None:
        descriptor = self._loop._taps[self._tunnel]
        with at_now():
            for start in range(0, len(frames), at_once):
                for frame in frames[start : start + at_once]:
                    self._ends[5].send(frame)
                self._loop._from_tap(descriptor, self._tunnel)

    def state(self) -> Mapping[str, Any]:
        rules = self.rules
        return {
            "sent": self.sent.outers,
            "interfaces": rules.counters,
            "drops": rules.drops.reasons,
            "SAs": rules.sa_counters(),
            "used SAs": rules.take_sa_usage(),
            "worn": rules.take_worn(),
            "missed": rules.take_missed(),
            "used": rules.take_used(),
            "returned": list(rules.returned),
        }


@dataclass(frozen=True, slots=True)
class Frames:
    """What a TAP gives, and what it would give if the kernel did all of its own work; None: it would not give this."""

    tunnel: Tunnel
    sas: list[SecurityAssociation]
    frames: list[bytes]
    finished: list[bytes] | None = field(repr=False)
    at_once: int = 1


@st.composite
def _large(draw: st.DrawFn) -> list[bytes]:
    """TCP packets to be cut, as the kernel gives them: one, or some of a stream, of which one may be different."""
    random = Random(draw(st.integers(0, 1 << 32)))
    segment = draw(st.sampled_from((1, 7, 500, 1199, 1348, 1360)))
    many = draw(st.sampled_from((1, 1, 1, 2, 6)))
    number = draw(st.integers(2, 44 if many == 1 else 9))
    last = draw(st.sampled_from((segment, segment, 1, (segment + 1) // 2)))
    packet = Segment(
        draw(st.sampled_from((5, (1 << 32) - 700))),
        random.randbytes((number - 1) * segment + last),
        draw(st.sampled_from((5, 0xFFF0))),
        source=FAR,
        destination=NEAR,
    )
    packet.options = draw(st.sampled_from((b"", b"\x01\x01\x08\x0a" + bytes(8), b"\x02\x04\x05\xb4")))
    packet.ip_options = draw(st.sampled_from((b"", b"", b"\x01\x01\x01\x00")))
    packet.fragment = draw(st.sampled_from((ipv4.DF, ipv4.DF, 0)))
    packet.tos = draw(st.sampled_from((0, 0xB8)))
    congestion = draw(st.booleans())
    packets = []
    for _ in range(many):
        flags = draw(st.sampled_from((0, 0, 0, PSH, PSH, FIN | PSH, CWR, CWR | ECE | PSH, SYN, RST, URG, URG | PSH)))
        packet = replace(packet, flags=ACK | flags, urgent=draw(st.sampled_from((0, 1, segment + 1))))
        if many > 1 and draw(st.integers(0, 9)) == 0:
            change: Any = draw(st.sampled_from(({"tos": 0x20}, {"fragment": 0}, {"options": b"\x01" * 8})))
            packet = replace(packet, **change)
        packets.append(superpacket(ETHERNET["known"], packet.octets(), segment, congestion))
        payload = random.randbytes(len(packet.payload))
        packet = replace(
            packet,
            sequence=packet.sequence + len(payload),
            payload=payload,
            identification=(packet.identification + number) & 0xFFFF,
        )
    return packets


@st.composite
def _single(draw: st.DrawFn) -> list[bytes]:
    """A packet that is whole; its checksum may be left to do."""
    to = draw(st.sampled_from(sorted(ETHERNET)))
    packet = Segment(1, bytes(draw(st.integers(0, 1500))), 1, source=FAR, destination=GROUP if to == "group" else NEAR)
    packet.flags = draw(st.sampled_from((packet.flags, SYN, URG)))
    packet.options = draw(st.sampled_from((b"", b"\x02\x04\x05\xb4")))
    packet.fragment = draw(st.sampled_from((ipv4.DF, 0)))
    if draw(st.booleans()) or to not in ("known", "unknown"):
        return [bytes(10) + ETHERNET[to] + packet.octets()]
    return [superpacket(ETHERNET[to], packet.octets(), 0, False)]


@st.composite
def _spoilt(draw: st.DrawFn, frame: bytes) -> bytes:
    spoilt = bytearray(frame)
    for _ in range(draw(st.integers(1, 3))):
        spoilt[draw(st.integers(0, min(len(spoilt), 70) - 1))] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
    return bytes(spoilt[: draw(st.sampled_from((len(spoilt), len(spoilt), 40, 12, 3)))])


@st.composite
def tap_frames(draw: st.DrawFn) -> Frames:
    trains = draw(st.lists(st.one_of(_large(), _large(), _single()), min_size=1, max_size=6))
    frames = [frame for train in trains for frame in train]
    finished: list[bytes] | None = [bytes(10) + frame[10:24] + packet for frame in frames for packet in cut(frame)]
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(frames) - 1))
        frames[at], finished = draw(_spoilt(frames[at])), None
    changes: dict[str, Any] = {
        "adjust_mss": draw(st.sampled_from((None, 600))),
        "path_mtu_discovery": draw(st.booleans()),
        "tos": draw(st.sampled_from((None, 0x20))),
        "key": draw(st.sampled_from((None, 7))),
        "blocked": "protection is gone" if draw(st.integers(0, 15)) == 0 else None,
    }
    sas = []
    if draw(st.booleans()):
        changes["crypto_map"] = TAG
        sas = [
            outbound(
                draw(st.sampled_from(TRANSFORMS)),
                mode=draw(st.sampled_from(Mode)),
                udp_ports=draw(st.sampled_from((None, (4500, 4500)))),
                df=draw(st.sampled_from(DfBit)),
                soft_octets=draw(st.sampled_from((None, 40_000))),
                hard_octets=draw(st.sampled_from((None, None, 60_000))),
            )
        ][: draw(st.sampled_from((1, 1, 1, 0)))]
    return Frames(replace(TUNNEL, **changes), sas, frames, finished, draw(st.sampled_from((1, 3, 20))))


def check(frames: Frames) -> tuple[int, int]:
    """How many packets were sent, and in how many runs. Raises AssertionError."""
    mouths = [Mouth(frames.tunnel, frames.sas, many=many) for many in (True, False, False)]
    try:
        many, one_by_one, kernel = mouths
        many.take(frames.frames, frames.at_once)
        one_by_one.take(frames.frames, frames.at_once)
        states = [many.state(), one_by_one.state()]
        if frames.finished is not None:
            kernel.take(frames.finished)
            states.append(kernel.state())
        for other in states[1:]:
            assert_same(states[0], other)
        return len(many.sent.outers), many.sent.runs
    finally:
        for mouth in mouths:
            mouth.close()
