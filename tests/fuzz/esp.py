"""ESP as it comes off the wire, and what is inside it when a peer that has the keys means no good."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from iosish.forwarding import gre, ipv4
from iosish.forwarding.rules import Forwarder
from iosish.forwarding.tables import Tunnel
from iosish.ipsec import ciphers
from iosish.ipsec.esp import HEADER, OutboundSa
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform
from tests.fuzz import Decoder
from tests.ipsec.associations import AES_SHA, DES_MD5, GCM, HUB, SPOKE, other_end, outbound

_INNER = ipv4.build(bytes((192, 168, 0, 1)), bytes((192, 168, 0, 2)), ipv4.UDP, bytes(60))
_FRAMES = (gre.build(gre.IPV4, None) + _INNER, gre.build(gre.IPV4, 7) + _INNER, gre.build(gre.NHRP, None) + bytes(40))
_NULL_SHA = Transform(Cipher.NULL, 0, Integrity.SHA1)


def _receiver(sas: list[SecurityAssociation]) -> Forwarder:
    rules = Forwarder()
    tunnel = Tunnel("Tunnel0", SPOKE, multipoint=True, adjacencies={1: HUB}, crypto_map="Tunnel0-head-0")
    tunnels = (tunnel, replace(tunnel, name="Tunnel1", key=7), replace(tunnel, name="Tunnel2", key=8, crypto_map=None))
    rules.configure({tunnel.name: tunnel for tunnel in tunnels}, 0.0)
    for sa in sas:
        rules.install(other_end(sa), 0.0)
    return rules


def _take(rules: Forwarder, packet: bytes, ports: tuple[int, int] | None) -> bool:
    received = rules.receive_esp(HUB.packed, SPOKE.packed, packet, 1.0, ports)
    assert received is None or received[4], "what came by ESP came protected"
    assert not rules.returned and not rules.take_missed()
    assert len(rules.take_esp_refused()) <= 1
    assert len(rules.take_refused()) <= 1
    assert len(rules.take_sa_usage()) <= 1
    return received is not None


def esp() -> Decoder:
    """Whole packets to SAs of several kinds. Without integrity, what was spoilt is often taken."""
    transforms = (AES_SHA, DES_MD5, GCM, _NULL_SHA, Transform(Cipher.AES_CBC, 128))
    kinds = [(transform, mode) for transform in transforms for mode in Mode]
    sas = [outbound(kind, mode=mode, spi=0x1000 + n, replay_window=0) for n, (kind, mode) in enumerate(kinds)]
    corpus = []
    for sa in sas:
        sealing = OutboundSa(sa, lambda key: None)
        corpus += [sealing.seal(frame[:4], frame[4:], 0, 255, False, 0.0) or b"" for frame in _FRAMES]
    rules = _receiver(sas)
    return Decoder(corpus, lambda packet: _take(rules, packet, None))


def esp_decrypted() -> Decoder:
    """Plaintext that is well sealed; its first octet says in which mode and whether in UDP."""
    kinds = [(mode, ports) for mode in Mode for ports in (None, (4500, 4500))]
    sas = [outbound(_NULL_SHA, mode=mode, udp_ports=ports, spi=0x1000 + n) for n, (mode, ports) in enumerate(kinds)]
    corpus = []
    for n, sa in enumerate(sas):
        for frame in _FRAMES:
            tunnel = sa.mode is Mode.TUNNEL
            inside = ipv4.build(HUB.packed, SPOKE.packed, ipv4.GRE, frame) if tunnel else frame
            padding = -(len(inside) + 2) % 4
            corpus.append(bytes((n,)) + inside + bytes((*range(1, padding + 1), padding, 4 if tunnel else 47)))
    rules = _receiver(sas)
    seals = [ciphers.sealer(sa.transform, sa.encryption_key, sa.integrity_key)[0] for sa in sas]
    numbers = count(1)

    def read(packet: bytes) -> bool:
        which = packet[0] % len(sas) if packet else 0
        plain = packet[1 + (len(packet) - 1) % 4 :]
        sealed = seals[which](HEADER.pack(sas[which].spi, next(numbers)), plain)
        return _take(rules, sealed, sas[which].udp_ports)

    return Decoder(corpus, read)
