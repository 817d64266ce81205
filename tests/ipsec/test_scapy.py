"""Scapy opens what we seal, and we open what scapy seals: every transform, in both modes, with UDP and without."""

from __future__ import annotations

import warnings

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import GRE
from scapy.packet import Raw

from iosish.forwarding import ipv4
from iosish.ipsec.esp import HEADER, OutboundSa
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import Mode
from tests.ipsec.associations import HUB, KINDS, SPOKE, kind_id, receiver, scapys

GRE_IPV4 = b"\0\0\x08\0"
SIZES = (*range(60, 80), 1400)


def inner(size: int) -> bytes:
    return bytes(IP(src="192.168.0.1", dst="192.168.0.2") / ICMP() / Raw(bytes(size - 28)))


@pytest.mark.parametrize("sa", KINDS, ids=kind_id)
def test_scapy_opens_what_we_seal(sa: SecurityAssociation) -> None:
    ours, theirs = OutboundSa(sa, lambda key: None), scapys(sa)
    for size in SIZES:
        sealed = ours.seal(GRE_IPV4, inner(size), 0xB8, 255, True, 1.0)
        assert sealed is not None
        if sa.udp_ports is None:
            outer = ipv4.build(HUB.packed, SPOKE.packed, ipv4.ESP, sealed)
        else:
            outer = ipv4.build(HUB.packed, SPOKE.packed, ipv4.UDP, ipv4.udp(*sa.udp_ports, sealed))
        opened = theirs.decrypt(IP(outer))
        assert (opened.src, opened.dst, opened.proto) == (str(HUB), str(SPOKE), 47)
        assert bytes(opened[GRE]) == GRE_IPV4 + inner(size)
        if sa.mode is Mode.TUNNEL:
            header = bytes(opened)[:20]
            assert ipv4.checksum_right(header)
            assert (opened.len, opened.tos, opened.ttl, opened.flags) == (24 + size, 0xB8, 255, "DF")


@pytest.mark.parametrize("sa", KINDS, ids=kind_id)
def test_we_open_what_scapy_seals(sa: SecurityAssociation) -> None:
    ours, theirs = receiver(sa), scapys(sa)
    for number, size in enumerate(SIZES, 1):
        packet = IP(src=str(HUB), dst=str(SPOKE)) / GRE() / IP(inner(size))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outer = theirs.encrypt(packet, seq_num=number)
        sealed = bytes(outer[ESP])
        assert outer.haslayer(UDP) == (sa.udp_ports is not None)
        assert ours.open(sealed, HEADER.unpack_from(sealed)[1], 1.0) == GRE_IPV4 + inner(size)
    assert (ours.counters.packets, ours.counters.sequence) == (len(SIZES), len(SIZES))
