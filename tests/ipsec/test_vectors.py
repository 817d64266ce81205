"""Packets that others sealed, opened by ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iosish.forwarding import gre, ipv4
from iosish.ipsec import ciphers
from iosish.ipsec.esp import HEADER, OutboundSa
from iosish.ipsec.transforms import Cipher, Transform
from tests.ipsec.associations import AES_SHA, outbound, receiver

STRONGSWAN: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "ike" / "vectors" / "ikev1-strongswan-vectors.json").read_text()
)
DIRECTIONS = {STRONGSWAN["initiator"]: "esp_i_to_r", STRONGSWAN["responder"]: "esp_r_to_i"}


@pytest.mark.parametrize("direction", DIRECTIONS, ids=DIRECTIONS.get)
def test_strongswan_s_esp(direction: str) -> None:
    """NHRP and pings of nhrpd over an SA of charon: AES-128, SHA-1, transport mode, GRE key 1."""
    keys = STRONGSWAN[DIRECTIONS[direction]]
    sa = outbound(
        AES_SHA,
        spi=int(keys["spi"], 16),
        encryption_key=bytes.fromhex(keys["encryption_key"]),
        integrity_key=bytes.fromhex(keys["integrity_key"]),
    )
    opening = receiver(sa)
    packets = [packet for packet in STRONGSWAN["esp_packets"] if packet["from"] == direction]
    assert len(packets) == 2
    for packet in packets:
        sealed, plain = bytes.fromhex(packet["packet"]), bytes.fromhex(packet["plain"])
        spi, sequence = HEADER.unpack_from(sealed)
        assert spi == sa.spi
        frame = opening.open(sealed, sequence, 1.0)
        assert frame == plain[: -2 - packet["pad_length"]]
        protocol, key, start = gre.parse(frame)
        assert (key, protocol) in {(1, gre.NHRP), (1, gre.IPV4)}
        assert protocol == gre.NHRP or ipv4.size(frame[start:]) == len(frame) - start
        # what we seal of the same is as long, and its plaintext the same to the last octet of padding
        again = OutboundSa(sa, lambda key: None).seal(frame[:start], frame[start:], 0, 255, False, 1.0)
        assert again is not None and len(again) == len(sealed)
        assert _plain(sa.transform, sa.encryption_key, sa.integrity_key, again) == plain


def _plain(transform: Transform, encryption_key: bytes, integrity_key: bytes, packet: bytes) -> bytes:
    opened, _ = ciphers.opener(transform, encryption_key, integrity_key)
    plain = opened(packet)
    assert plain is not None
    return plain[ciphers.layout(transform).prefix :]


def test_rfc_3602_case_5() -> None:
    plain = _plain(
        Transform(Cipher.AES_CBC, 128),
        bytes.fromhex("90d382b410eeba7ad938c46cec1a82bf"),
        b"",
        bytes.fromhex(
            "00004321 00000001 e96e8c08ab465763fd098d45dd3ff893"
            "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856"
            "a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a"
            "a269add047ad2d5913ac19b7cfbad4a6"
        ),
    )
    assert plain == bytes.fromhex(
        "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f1011121314151617"
        "18191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
        "0102030405060708090a0b0c0d0e 0e 01"
    )


def test_draft_mcgrew_gcm_test_01() -> None:
    """The packet to SPI a5f8 of that collection of test vectors for RFC 4106."""
    plain = _plain(
        Transform(Cipher.AES_GCM, 128),
        bytes.fromhex("feffe9928665731c6d6a8f9467308308 cafebabe"),
        b"",
        bytes.fromhex(
            "0000a5f8 0000000a facedbaddecaf888"
            "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c"
            "3de81827c10e9a4f51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd1"
            "83b70d3aa8bc6ee4c309e9d85a41ad4a"
        ),
    )
    assert plain == bytes.fromhex(
        "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100"
        "0001000000000000037369700963796265726369747902646b00000100010001"
    )
