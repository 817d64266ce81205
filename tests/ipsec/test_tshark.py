"""Wireshark's eye on what a protected tunnel sends: every kind of SA decrypted, nothing malformed, no bad checksum."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import wrpcap

from iosish.forwarding import ipv4
from iosish.forwarding.rules import Forwarder
from iosish.forwarding.tables import Tunnel
from iosish.ipsec.sa import SecurityAssociation
from iosish.ipsec.transforms import Cipher, Integrity, Mode
from tests.ipsec.associations import HUB, KINDS, SPOKE

_CIPHERS = {
    Cipher.NULL: "NULL",
    Cipher.DES: "DES-CBC [RFC2405]",
    Cipher.TRIPLE_DES: "TripleDES-CBC [RFC2451]",
    Cipher.AES_CBC: "AES-CBC [RFC3602]",
    Cipher.AES_GCM: "AES-GCM with 16 octet ICV [RFC4106]",
}
_INTEGRITY = {
    None: "NULL",
    Integrity.MD5: "HMAC-MD5-96 [RFC2403]",
    Integrity.SHA1: "HMAC-SHA-1-96 [RFC2404]",
    Integrity.SHA256: "HMAC-SHA-256-128 [RFC4868]",
    Integrity.SHA384: "HMAC-SHA-384-192 [RFC4868]",
    Integrity.SHA512: "HMAC-SHA-512-256 [RFC4868]",
}
_FIELDS = (
    "esp.spi",
    "esp.icv_good",
    "ip.checksum.status",
    "icmp.checksum.status",
    "tcp.checksum.status",
    "udp.checksum.status",
    "_ws.malformed",
    "ip.dst",
)
PAYLOADS = (
    ICMP() / Raw(bytes(56)),
    TCP(flags="PA") / Raw(bytes(1301)),
    UDP(sport=9, dport=9) / Raw(bytes(7)),
)
GOOD = "1"


def key_option(sa: SecurityAssociation) -> str:
    cipher, integrity = _CIPHERS[sa.transform.cipher], _INTEGRITY[sa.transform.integrity]
    keys = [f"0x{key.hex()}" if key else "" for key in (sa.encryption_key, sa.integrity_key)]
    row = ("IPv4", sa.local, sa.peer, f"0x{sa.spi:08x}", cipher, keys[0], integrity, keys[1])
    return "uat:esp_sa:" + ",".join(f'"{field}"' for field in row)


def sent(sa: SecurityAssociation) -> list[bytes]:
    """The packets of a tunnel by this SA, whole."""
    rules = Forwarder()
    tunnel = Tunnel("Tunnel0", HUB, adjacencies={1: SPOKE}, crypto_map=sa.crypto_map, key=7)
    rules.configure({"Tunnel0": tunnel}, 0.0)
    rules.install(sa, 0.0)
    packets = []
    for payload in PAYLOADS:
        inner = bytes(IP(src="192.168.0.1", dst="192.168.0.2") / payload)
        for destination, tos, ttl, df, frame, protocol, ports in rules.transmit("Tunnel0", 1, inner, 1.0):
            body = frame if ports is None else ipv4.udp(*ports, frame)
            packets.append(ipv4.build(HUB.packed, destination, protocol, body, ttl=ttl, tos=tos, df=df))
    return packets


def test_tshark_decrypts_what_we_send(tmp_path: Path) -> None:
    sas = [replace(sa, spi=0x1000 + number) for number, sa in enumerate(KINDS)]
    file = tmp_path / "esp.pcap"
    wrpcap(str(file), [Ether() / IP(packet) for sa in sas for packet in sent(sa)])
    options = ["esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE"]
    options += [f"{layer}.check_checksum:TRUE" for layer in ("ip", "tcp", "udp")] + [key_option(sa) for sa in sas]
    command = ["tshark", "-n", "-r", str(file), "-T", "fields", "-E", "separator=;"]
    command += [part for option in options for part in ("-o", option)]
    command += [part for field in _FIELDS for part in ("-e", field)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(";") for line in done.stdout.splitlines()]
    assert len(rows) == len(sas) * len(PAYLOADS)
    for number, (spi, icv, ip_sums, icmp_sum, tcp_sum, udp_sums, malformed, destinations) in enumerate(rows):
        sa, which = sas[number // len(PAYLOADS)], number % len(PAYLOADS)
        assert int(spi, 16) == sa.spi
        assert not malformed, sa
        headers = 3 if sa.mode is Mode.TUNNEL else 2
        assert ip_sums.split(",") == [GOOD] * headers, sa
        assert destinations.split(",")[-1] == "192.168.0.2", sa
        assert (icmp_sum, tcp_sum, udp_sums.split(",")[-1])[which] == GOOD, sa
        if sa.transform.integrity is not None or sa.transform.cipher is Cipher.AES_GCM:
            assert icv == GOOD, sa
