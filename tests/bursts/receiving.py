"""The same burst to two ends: what they hand on and what they count has to be the same."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from hypothesis import strategies as st

from iosish.forwarding import ipv4
from iosish.forwarding.tables import Tunnel
from iosish.ipsec.esp import OutboundSa
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform
from iosish.plane import udp_4500
from tests.bursts import assert_same
from tests.bursts.ends import PEER, US, Ear, raw_packets
from tests.bursts.stretches import NEAR, disturbed, gre_frames
from tests.ipsec.associations import AES_SHA, DES_MD5, GCM, HUB, SPOKE, other_end, outbound

_TAG = "Tunnel0-head-0"
TUNNEL = Tunnel("Tunnel0", SPOKE, multipoint=True, address=IPv4Address(NEAR), adjacencies={1: HUB})
TRANSFORMS = (
    GCM,
    AES_SHA,
    DES_MD5,
    Transform(Cipher.AES_GCM, 256),
    Transform(Cipher.NULL, 0, Integrity.SHA1),
    Transform(Cipher.AES_CBC, 256, Integrity.SHA256),
    Transform(Cipher.AES_CBC, 128),
)
_SMALL = (udp_4500.KEEPALIVE, udp_4500.NON_ESP_MARKER + bytes(40), udp_4500.NON_ESP_MARKER + b"short", b"?", bytes(4))


@dataclass(frozen=True, slots=True)
class Burst:
    """What comes to a tunnel: raw packets of an IP protocol, or runs of UDP datagrams, which the kernel may join."""

    tunnel: Tunnel
    sas: list[SecurityAssociation]
    protocol: int
    runs: list[list[bytes]]


@st.composite
def _tunnels(draw: st.DrawFn) -> Tunnel:
    changes: dict[str, Any] = {"adjust_mss": draw(st.sampled_from((None, 600)))}
    odd = draw(st.integers(0, 15))
    if odd == 0:
        changes["blocked"] = "protection is gone"
    elif odd == 1:
        changes["key"] = 7
    elif odd == 2:
        changes["multipoint"] = False
    return replace(TUNNEL, **changes)


@st.composite
def clear(draw: st.DrawFn) -> Burst:
    """GRE alone."""
    tunnel = draw(_tunnels())
    frames = draw(disturbed(draw(gre_frames())))
    protected = replace(tunnel, crypto_map=_TAG if draw(st.integers(0, 15)) == 0 else None)
    packets = draw(disturbed(raw_packets(HUB.packed, SPOKE.packed, ipv4.GRE, frames)))
    return Burst(protected, [], ipv4.GRE, [packets])


@st.composite
def _associations(draw: st.DrawFn, in_udp: bool) -> list[SecurityAssociation]:
    changes: dict[str, Any] = {
        "mode": draw(st.sampled_from(Mode)),
        "replay_window": draw(st.sampled_from((0, 4, 64, 1024))),
    }
    if in_udp:
        changes |= {"local": IPv4Address(PEER), "peer": IPv4Address(US), "udp_ports": (4500, 4500)}
    if draw(st.integers(0, 15)) == 0:
        changes["crypto_map"] = "Tunnel9-head-0"
    transforms = draw(st.lists(st.sampled_from(TRANSFORMS), min_size=1, max_size=2))
    return [outbound(transform, **changes, spi=0x1001 + at) for at, transform in enumerate(transforms)]


@st.composite
def _sealed(draw: st.DrawFn, sas: list[SecurityAssociation]) -> list[bytes]:
    sealing = [OutboundSa(sa, lambda key: None) for sa in sas]
    sealed: list[bytes] = []
    for _ in range(draw(st.integers(1, 3))):
        sa = draw(st.sampled_from(sealing))
        for frame in draw(gre_frames(2)):
            sealed.append(sa.seal(frame[:4], frame[4:], 0, 255, False, 0.0) or b"")
    return draw(disturbed(sealed))


@st.composite
def raw_esp(draw: st.DrawFn) -> Burst:
    sas = draw(_associations(False))
    source = HUB.packed if draw(st.integers(0, 15)) else bytes((10, 0, 0, 9))
    packets = draw(disturbed(raw_packets(source, SPOKE.packed, ipv4.ESP, draw(_sealed(sas)))))
    tunnel = replace(draw(_tunnels()), crypto_map=_TAG)
    return Burst(tunnel, sas, ipv4.ESP, [packets])


@st.composite
def udp(draw: st.DrawFn) -> Burst:
    """ESP on port 4500, as the kernel puts datagrams of one size together, and what else comes there."""
    sas = draw(_associations(True))
    datagrams = draw(_sealed(sas))
    for small in draw(st.lists(st.sampled_from(_SMALL), max_size=2)):
        datagrams.insert(draw(st.integers(0, len(datagrams))), small)
    runs = _runs(datagrams, draw(st.sampled_from((1, 2, 5, 40))))
    tunnel = replace(draw(_tunnels()), crypto_map=_TAG)
    return Burst(tunnel, sas, ipv4.UDP, runs)


def _runs(datagrams: list[bytes], at_most: int) -> list[list[bytes]]:
    """Datagrams that can share a send: one size, the last one maybe shorter."""
    runs: list[list[bytes]] = []
    for datagram in datagrams:
        last = runs[-1] if runs else []
        full = len(last) >= at_most or sum(map(len, last)) + len(datagram) > 65000
        if last and not full and 0 < len(datagram) <= len(last[0]) == len(last[-1]):
            last.append(datagram)
        else:
            runs.append([datagram])
    return runs


BURSTS = {"GRE": clear(), "ESP": raw_esp(), "ESP in UDP": udp()}


def check(burst: Burst) -> tuple[int, int]:
    """How many packets it had, and how many large ones were made of them. Raises AssertionError."""
    ears = [Ear(burst.tunnel, map(other_end, burst.sas), many=many) for many in (False, True)]
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            sender.bind((PEER, 0))
            for ear in ears:
                if burst.protocol == ipv4.UDP:
                    ear.take_udp(sender, burst.runs)
                else:
                    ear.take_raw(burst.protocol, burst.runs[0])
        one_by_one, together = ears
        assert_same(together.state(), one_by_one.state())
        return sum(map(len, burst.runs)), together.joined
    finally:
        for ear in ears:
            ear.close()
