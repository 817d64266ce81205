"""Packets that are sent into tunnels, come out of them, and what ICMP says of them: nobody has looked at them before.

What a protected tunnel takes leaves as ESP alone, and comes out at the other end as it went in, or in pieces.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import IPv6

from iosish.forwarding import gre, ipv4, mss
from iosish.forwarding.rules import Forwarder
from iosish.forwarding.tables import Tunnel
from tests.fuzz import Decoder
from tests.ipsec.associations import AES_SHA, HUB, SPOKE, other_end, outbound

_TUNNEL = Tunnel("Tunnel0", HUB, multipoint=True, mtu=1400, adjacencies={1: SPOKE}, multicast=(SPOKE,), adjust_mss=1360)
_KEY = 7
_ENDS: dict[str, Any] = {"src": "192.168.0.1", "dst": "192.168.0.2"}


def _forwarder(local: IPv4Address, peer: IPv4Address) -> Forwarder:
    """With a protected tunnel, and one in clear beside it, which has a key."""
    rules = Forwarder()
    changes: dict[str, Any] = {"local": local, "adjacencies": {1: peer}, "multicast": (peer,)}
    clear = replace(_TUNNEL, **changes, name="Tunnel1", key=_KEY, path_mtu_discovery=True)
    protected = replace(_TUNNEL, **changes, crypto_map="Tunnel0-head-0")
    rules.configure({"Tunnel0": protected, "Tunnel1": clear}, 0.0)
    return rules


def inner() -> Decoder:
    sa = outbound(AES_SHA)
    near, far = _forwarder(HUB, SPOKE), _forwarder(SPOKE, HUB)
    near.install(sa, 0.0)
    far.install(other_end(sa), 0.0)

    def through(packet: bytes) -> bool:
        """By the protected tunnel."""
        delivered = []
        for adjacency in (0, 1):
            for peer, _, _, _, sealed, protocol, ports in near.transmit("Tunnel0", adjacency, packet, 1.0):
                assert (peer, protocol) == (SPOKE.packed, ipv4.ESP)
                received = far.receive_esp(HUB.packed, SPOKE.packed, sealed, 1.0, ports)
                delivered.append(received)
        whole = bytes(mss.clamp(packet, 1360)) if ipv4.size(packet) else packet
        for received in delivered:
            if received is not None and len(delivered) <= 2:
                assert whole.startswith(received[2])
        return bool(delivered)

    def read(packet: bytes) -> bool:
        taken = through(packet)
        frame = gre.build(gre.IPV4, None) + packet
        assert far.receive(HUB.packed, SPOKE.packed, frame, 1.0) is None, "clear GRE was taken"
        for peer, _, _, _, sent, protocol, _ in near.transmit("Tunnel1", 1, packet, 1.0):
            assert (peer, protocol) == (SPOKE.packed, ipv4.GRE)
            far.receive(HUB.packed, SPOKE.packed, sent, 1.0)
        far.receive(HUB.packed, SPOKE.packed, gre.build(gre.IPV4, _KEY) + packet, 1.0)
        far.receive(HUB.packed, SPOKE.packed, packet, 1.0)
        for rules in (near, far):
            rules.learn(packet, 1.0)
            for _, told in rules.returned:
                assert ipv4.size(told) == len(told) <= 576
            rules.returned.clear()
            rules.take_refused()
            rules.take_used()
        return taken

    quoted = bytes(IP(src=str(HUB), dst=str(SPOKE), proto=47, flags="DF") / (gre.build(gre.IPV4, _KEY) + bytes(8)))
    corpus = [
        bytes(IP(**_ENDS) / TCP(flags="S", options=[("MSS", 1460), ("NOP", None), ("Timestamp", (1, 2))])),
        bytes(IP(**_ENDS, options=[IPOption_RR(length=11, pointer=4, routers=["0.0.0.0"] * 2)]) / TCP(flags="SA")),
        bytes(IP(**_ENDS) / UDP() / bytes(2500)),
        bytes(IP(**_ENDS, flags="DF") / UDP() / bytes(1380)),
        bytes(IP(src="192.168.0.1", dst="224.0.0.5", ttl=1) / UDP() / bytes(40)),
        bytes(IP(**_ENDS) / ICMP(type=3, code=4, nexthopmtu=1300) / quoted),
        bytes(IP(**_ENDS, frag=10, flags="MF") / bytes(1600)),
        bytes(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP() / bytes(1300)),
    ]
    return Decoder(corpus, read)
