"""What bursts are made of: stretches of TCP segments of one flow with faults in them, and single packets between."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

from iosish.forwarding import gre, ipv4

FAR, NEAR, GROUP = bytes((192, 168, 0, 2)), bytes((192, 168, 0, 1)), bytes((224, 0, 0, 5))
OTHER_KEY = 99

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))


@dataclass(slots=True)
class Segment:
    """A TCP/IPv4 packet before it becomes octets."""

    sequence: int
    payload: bytes
    identification: int
    flags: int = ACK
    acknowledged: int = 77
    window: int = 500
    urgent: int = 0
    options: bytes = b""
    ip_options: bytes = b""
    tos: int = 0
    ttl: int = 64
    fragment: int = ipv4.DF
    protocol: int = ipv4.TCP
    source: bytes = FAR
    destination: bytes = NEAR
    port: int = 5201
    tcp_error: int = 0
    ip_error: int = 0
    short: int = 0

    def octets(self) -> bytes:
        tcp = bytearray(
            struct.pack(
                "!HHIIBBHHH",
                self.port,
                40000,
                self.sequence & 0xFFFFFFFF,
                self.acknowledged,
                (20 + len(self.options)) << 2,
                self.flags,
                self.window,
                0,
                self.urgent,
            )
        )
        tcp += self.options + self.payload
        pseudo = self.source + self.destination + struct.pack("!HH", self.protocol, len(tcp))
        struct.pack_into("!H", tcp, 16, ipv4.checksum(pseudo + tcp) ^ self.tcp_error)
        header = bytearray(
            struct.pack(
                "!BBHHHBBH4s4s",
                0x45 + len(self.ip_options) // 4,
                self.tos,
                20 + len(self.ip_options) + len(tcp) - self.short,
                self.identification & 0xFFFF,
                self.fragment,
                self.ttl,
                self.protocol,
                0,
                self.source,
                self.destination,
            )
        )
        header += self.ip_options
        struct.pack_into("!H", header, 10, ipv4.checksum(header) ^ self.ip_error)
        return bytes(header + tcp)


def _changed(field: str, change: Callable[[Any], Any]) -> Callable[[Segment], None]:
    return lambda segment: setattr(segment, field, change(getattr(segment, field)))


def _flag(flag: int) -> Callable[[Segment], None]:
    return _changed("flags", lambda flags: flags ^ flag)


#: What may be odd about one segment of a stretch.
FAULTS: dict[str, Callable[[Segment], None]] = {
    **{
        name: _flag(flag)
        for name, flag in {
            "FIN": FIN,
            "SYN": SYN,
            "RST": RST,
            "PSH": PSH,
            "no ACK": ACK,
            "URG": URG,
            "ECE": ECE,
            "CWR": CWR,
        }.items()
    },
    "acknowledges more": _changed("acknowledged", lambda number: number + 1),
    "other window": _changed("window", lambda window: window + 1),
    "urgent pointer": _changed("urgent", lambda pointer: pointer + 1),
    "other option": _changed("options", lambda options: options[:-1] + b"\x05" if options else options),
    "more options": _changed("options", lambda options: options + b"\x01\x01\x01\x00"),
    "large MSS": _changed("options", lambda options: b"\x02\x04\x05\xb4" + options[4:]),
    "IP options": _changed("ip_options", lambda options: options + b"\x01\x01\x01\x00"),
    "congestion": _changed("tos", lambda tos: tos | 3),
    "other TTL": _changed("ttl", lambda ttl: ttl - 1),
    "no DF": _changed("fragment", lambda fragment: fragment ^ ipv4.DF),
    "first fragment": _changed("fragment", lambda fragment: ipv4.MF),
    "last fragment": _changed("fragment", lambda fragment: 5),
    "UDP": _changed("protocol", lambda protocol: ipv4.UDP),
    "other source": _changed("source", lambda source: source[:3] + b"\x09"),
    "our own source": _changed("source", lambda source: NEAR),
    "to a group": _changed("destination", lambda destination: GROUP),
    "other port": _changed("port", lambda port: port + 1),
    "identification jumps": _changed("identification", lambda number: number + 7),
    "sequence jumps": _changed("sequence", lambda number: number + 1),
    "wrong TCP checksum": _changed("tcp_error", lambda error: 0x0100),
    "wrong IP checksum": _changed("ip_error", lambda error: 0x0001),
    "padding behind": _changed("short", lambda short: 1),
    "no payload": _changed("payload", lambda payload: b""),
    "shorter": _changed("payload", lambda payload: payload[: len(payload) // 2]),
    "longer": _changed("payload", lambda payload: payload + b"more"),
}


@st.composite
def _segments(draw: st.DrawFn) -> list[bytes]:
    """TCP segments that belong together, but for a few."""
    random = Random(draw(st.integers(0, 1 << 32)))
    octets = draw(st.sampled_from((1, 2, 7, 100, 536, 1348)))
    number = draw(st.integers(1, 24))
    sequence, identification = (draw(st.sampled_from((0, 9000, edge - 1))) for edge in (1 << 32, 1 << 16))
    options = draw(st.sampled_from((b"", b"\x01\x01\x08\x0a" + bytes(8), b"\x02\x04\x05\xb4")))
    ip_options = draw(st.sampled_from((b"", b"", b"", b"\x01\x01\x01\x00")))
    step = draw(st.sampled_from((1, 1, 1, 0)))
    segments = [
        Segment(sequence + at * octets, random.randbytes(octets), identification + at * step) for at in range(number)
    ]
    for segment in segments:
        segment.options, segment.ip_options = options, ip_options
    if draw(st.booleans()):  # the second large packet of a sender, a moment later
        for segment in segments[draw(st.integers(0, number - 1)) :]:
            FAULTS["other option"](segment)
    if draw(st.booleans()):
        segments[-1].flags |= PSH
    if draw(st.booleans()):
        segments[-1].payload = segments[-1].payload[: draw(st.integers(1, octets))]
    for at, fault in draw(st.lists(st.tuples(st.integers(0, number - 1), st.sampled_from(sorted(FAULTS))), max_size=3)):
        FAULTS[fault](segments[at])
    return [segment.octets() for segment in segments]


def _udp(octets: int) -> bytes:
    return ipv4.build(FAR, NEAR, ipv4.UDP, bytes(octets))


_ALONE = (
    gre.build(gre.NHRP, None) + bytes(40),
    gre.build(gre.IPV6, None) + b"\x60" + bytes(5) + b"\x3b\x40" + bytes(32),
    gre.build(gre.IPV4, None) + ipv4.build(FAR, GROUP, ipv4.UDP, bytes(60)),
    gre.build(gre.IPV4, OTHER_KEY) + _udp(60),
    gre.build(0x88BE, None) + bytes(30),
    gre.build(gre.IPV4, None) + bytes(30),
    b"\x00\x01\x08\x00" + _udp(60),
    b"\x10\x00\x08\x00\x00\x00\x00\x05" + _udp(60),
    b"\x80\x00\x08\x00\x12\x34\x00\x00" + _udp(60),
    b"\x40\x00",
)


@st.composite
def _frames(draw: st.DrawFn) -> list[bytes]:
    """GRE packets: a stretch of segments, or several of something else that look alike."""
    match draw(st.sampled_from(("segments", "segments", "segments", "UDP", "alone"))):
        case "segments":
            header = draw(st.sampled_from((gre.build(gre.IPV4, None),) * 5 + (b"\x10\x00\x08\x00\x00\x00\x00\x05",)))
            return [header + packet for packet in draw(_segments())]
        case "UDP":
            octets = draw(st.integers(0, 1300))
            return [gre.build(gre.IPV4, None) + _udp(octets)] * draw(st.integers(1, 24))
        case _:
            return [draw(st.sampled_from(_ALONE))] * draw(st.integers(1, 3))


def gre_frames(at_most: int = 5) -> st.SearchStrategy[list[bytes]]:
    return st.lists(_frames(), min_size=1, max_size=at_most).map(
        lambda lists: [frame for some in lists for frame in some]
    )


@st.composite
def disturbed(draw: st.DrawFn, frames: list[bytes]) -> list[bytes]:
    """The same frames after a path that loses, repeats, reorders and spoils a few."""
    frames = list(frames)
    for what in draw(st.lists(st.sampled_from(("drop", "repeat", "swap", "flip", "cut", "extend", "run")), max_size=3)):
        if not frames:
            break
        at, other = (draw(st.integers(0, len(frames) - 1)) for _ in range(2))
        match what:
            case "drop":
                del frames[at]
            case "repeat":
                frames.insert(other, frames[at])
            case "swap":
                frames[at], frames[other] = frames[other], frames[at]
            case "run":
                frames[other:other] = frames[at : at + 4]
            case "flip" if frames[at]:
                spoilt = bytearray(frames[at])
                spoilt[draw(st.integers(0, min(60, len(spoilt)) - 1))] ^= 1 << draw(st.integers(0, 7))
                frames[at] = bytes(spoilt)
            case "cut":
                frames[at] = frames[at][: draw(st.integers(0, len(frames[at])))]
            case "extend":
                frames[at] += bytes(draw(st.sampled_from((1, 4, 16))))
    return frames
