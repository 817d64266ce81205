"""Both vector files, recomputed step by step: DES behind a forced NAT-T, and AES with strongSwan at both ends."""

from __future__ import annotations

import hmac
import json
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from iosish.ike import keymat
from iosish.ike.config import Cipher, Hash
from iosish.ike.packet import (
    Header,
    decode,
    decode_header,
    decode_payloads,
    encode_payloads,
    first_kind,
    split_payloads,
)
from iosish.ike.payloads import (
    Delete,
    Identification,
    KeyExchange,
    NatDetection,
    Nonce,
    Notification,
    NotifyType,
    Payload,
    Sa,
)
from iosish.ike.payloads import Hash as HashPayload
from iosish.ipsec.transforms import Cipher as EspCipher
from iosish.ipsec.transforms import Integrity, Transform

VECTORS = Path(__file__).parent / "vectors"
SHA1_OCTETS = 20


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / name).read_text())
    return found


class Exchange:
    """A recorded main mode with what follows from its messages and the common secret."""

    def __init__(self, name: str, cipher: Cipher, key_bits: int) -> None:
        self.vector = vector = read(name)
        self.messages = [bytes.fromhex(message) for message in vector["main_mode"]]
        self.secret = vector["psk"].encode()
        self.shared = bytes.fromhex(vector["dh_shared"])
        header, _ = decode(self.messages[0])
        self.header, _ = decode_header(self.messages[1])
        assert header.cookie_i == self.header.cookie_i
        self.cookies = self.header.cookie_i + self.header.cookie_r
        _, body = decode_header(self.messages[0])
        bodies = split_payloads(header.next_payload, body)
        (self.sa_body,) = (body for payload, body in bodies if isinstance(payload, Sa))
        self.public_i, self.nonce_i = self._half(2)
        self.public_r, self.nonce_r = self._half(3)
        self.skeyid = keymat.skeyid_of_secret(Hash.SHA1, self.secret, self.nonce_i + self.nonce_r)
        self.keys = keymat.derive(Hash.SHA1, cipher, key_bits, self.skeyid, self.shared, self.cookies)

    def _half(self, place: int) -> tuple[bytes, bytes]:
        _, payloads = decode(self.messages[place])
        (public,) = (payload.value for payload in payloads if isinstance(payload, KeyExchange))
        (nonce,) = (payload.value for payload in payloads if isinstance(payload, Nonce))
        return public, nonce

    def decrypt(self, message: bytes, iv: bytes) -> tuple[Header, bytes]:
        header, ciphertext = decode_header(message)
        assert header.encrypted
        return header, self.keys.cipher.decrypt(iv, ciphertext)

    def hash(self, initiator: bool, id_body: bytes) -> bytes:
        mine, other = (self.public_i, self.public_r) if initiator else (self.public_r, self.public_i)
        cookies = self.cookies if initiator else self.cookies[8:] + self.cookies[:8]
        return keymat.phase1_hash(Hash.SHA1, self.skeyid, mine, other, cookies, self.sa_body, id_body)


DES = ("ikev1-vectors.json", Cipher.DES, 0)
AES = ("ikev1-strongswan-vectors.json", Cipher.AES, 128)


@pytest.fixture(params=[DES, AES], ids=["DES", "AES"])
def exchange(request: pytest.FixtureRequest) -> Exchange:
    return Exchange(*request.param)


@pytest.fixture
def aes() -> Exchange:
    return Exchange(*AES)


def octets(value: str) -> bytes:
    return bytes.fromhex(value)


def test_skeyids_and_the_cipher_key(exchange: Exchange) -> None:
    vector = exchange.vector
    assert exchange.skeyid.hex() == vector["SKEYID"]
    found = keymat.skeyids(Hash.SHA1, exchange.skeyid, exchange.shared, exchange.cookies)
    assert [each.hex() for each in found] == [vector[f"SKEYID_{letter}"] for letter in "dae"]
    assert (exchange.keys.d, exchange.keys.a) == found[:2]
    assert exchange.keys.cipher_key.hex() == vector["cipher_key"]
    assert keymat.phase1_iv(exchange.keys, exchange.public_i, exchange.public_r).hex() == vector["phase1_iv"]


def test_what_the_file_says_went_in_is_what_the_messages_hold(aes: Exchange) -> None:
    vector = aes.vector
    assert aes.cookies.hex() == vector["cky_i"] + vector["cky_r"]
    assert (aes.public_i.hex(), aes.public_r.hex()) == (vector["gx_i"], vector["gx_r"])
    assert (aes.nonce_i.hex(), aes.nonce_r.hex()) == (vector["nonce_i"], vector["nonce_r"])
    assert aes.sa_body.hex() == vector["sa_i_body"]
    assert aes.hash(True, octets(vector["id_i_body"])).hex() == vector["HASH_I"]
    assert aes.hash(False, octets(vector["id_r_body"])).hex() == vector["HASH_R"]
    assert [aes.messages[place][-16:].hex() for place in (4, 5)] == [vector["iv_after_mm5"], vector["iv_after_mm6"]]


@pytest.mark.parametrize(
    ("kind", "cipher", "key_bits", "octets_wanted"),
    [
        (Hash.SHA1, Cipher.AES, 256, 32),
        (Hash.SHA1, Cipher.AES, 192, 24),
        (Hash.MD5, Cipher.TRIPLE_DES, 0, 24),
        (Hash.MD5, Cipher.AES, 256, 32),
    ],
)
def test_a_key_longer_than_the_hash_is_stretched(kind: Hash, cipher: Cipher, key_bits: int, octets_wanted: int) -> None:
    """RFC 2409 appendix B, written out: K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1), Ka = K1 | K2."""
    name = kind.name.lower()
    cookies, shared, skeyid = bytes(range(16)), bytes(96), b"skeyid"
    d = hmac.new(skeyid, shared + cookies + b"\0", name).digest()
    a = hmac.new(skeyid, d + shared + cookies + b"\1", name).digest()
    e = hmac.new(skeyid, a + shared + cookies + b"\2", name).digest()
    k1 = hmac.new(e, b"\0", name).digest()
    k2 = hmac.new(e, k1, name).digest()
    found = keymat.derive(kind, cipher, key_bits, skeyid, shared, cookies)
    assert found.cipher_key == (k1 + k2)[:octets_wanted]
    iv = bytes(found.cipher.block)
    assert found.cipher.decrypt(iv, found.cipher.encrypt(iv, b"16 octets, or 2x")) == b"16 octets, or 2x"


@pytest.mark.parametrize(
    ("transform", "split"),
    [
        (Transform(EspCipher.AES_CBC, 256, Integrity.SHA256), (32, 32)),
        (Transform(EspCipher.TRIPLE_DES, 0, Integrity.MD5), (24, 16)),
        (Transform(EspCipher.AES_GCM, 256), (36, 0)),  # the salt is the last 4 octets
        (Transform(EspCipher.NULL, 0, Integrity.SHA512), (0, 64)),
    ],
)
def test_keys_with_perfect_forward_secrecy(aes: Exchange, transform: Transform, split: tuple[int, int]) -> None:
    """RFC 2409 5.5, written out: the quick mode's own secret stands at the front of every round."""
    nonces, secret, spi = b"nonce i nonce r", b"g(qm)^xy", b"\0\0\1\0"
    seed = secret + b"\3" + spi + nonces
    material = block = hmac.new(aes.keys.d, seed, "sha1").digest()
    while len(material) < sum(split):
        block = hmac.new(aes.keys.d, block + seed, "sha1").digest()
        material += block
    encryption, integrity = keymat.esp_keys(aes.keys, transform, spi, nonces, secret)
    assert (len(encryption), len(integrity)) == split
    assert encryption + integrity == material[: sum(split)]
    assert keymat.esp_keys(aes.keys, transform, spi, nonces) != (encryption, integrity)


def test_no_key_shows(aes: Exchange) -> None:
    assert aes.vector["SKEYID_d"] not in repr(aes.keys) and repr(aes.keys.d) not in repr(aes.keys)
    assert repr(aes.keys) == "Keys(hash=<Hash.SHA1: 2>)"


@pytest.mark.parametrize("place", [4, 5])
def test_mm5_and_mm6(exchange: Exchange, place: int) -> None:
    """They decrypt to the plain text of the file, prove the key by the hash of the file, and encrypt back."""
    initiator = place == 4
    iv = octets(exchange.vector["phase1_iv"]) if initiator else exchange.messages[4][-exchange.keys.cipher.block :]
    header, plain = exchange.decrypt(exchange.messages[place], iv)
    assert plain.hex() == exchange.vector["mm5_plain" if initiator else "mm6_plain"]
    (identity, id_body), (proof, _) = split_payloads(header.next_payload, plain, padded=True)
    assert isinstance(identity, Identification) and isinstance(proof, HashPayload)
    assert identity.address() == IPv4Address(exchange.vector["initiator" if initiator else "responder"])
    assert proof.value.hex() == exchange.vector["HASH_I" if initiator else "HASH_R"]
    assert exchange.hash(initiator, id_body) == proof.value
    payloads: tuple[Payload, ...] = (identity, proof)
    assert first_kind(payloads) == header.next_payload
    again = exchange.keys.cipher.encrypt(iv, encode_payloads(payloads))
    assert exchange.messages[place].endswith(again)


def test_nat_detection_without_nat(aes: Exchange) -> None:
    sent_by = {"mm3": ("172.16.25.2", "172.16.15.2"), "mm4": ("172.16.15.2", "172.16.25.2")}
    for place, name in ((2, "mm3"), (3, "mm4")):
        ends = dict(zip(("src", "dst"), sent_by[name], strict=True))
        _, payloads = decode(aes.messages[place])
        sent = [payload.value for payload in payloads if isinstance(payload, NatDetection)]
        for value, end in zip(sent, ("dst", "src"), strict=True):
            assert value.hex() == aes.vector["nat_d"][f"{name}_{end}"]
            assert value == keymat.nat_hash(Hash.SHA1, aes.cookies, IPv4Address(ends[end]), 500)


def test_nat_detection_where_encapsulation_is_forced() -> None:
    """The destination is right, the source is made up: who sends it is taken to be behind a NAT."""
    forced = Exchange(*DES)
    for place, peer, own in ((2, "responder", "initiator"), (3, "initiator", "responder")):
        _, payloads = decode(forced.messages[place])
        first, second = (payload.value for payload in payloads if isinstance(payload, NatDetection))
        addresses = {end: IPv4Address(forced.vector[end]) for end in (peer, own)}
        assert first == keymat.nat_hash(Hash.SHA1, forced.cookies, addresses[peer], 500)
        assert second != keymat.nat_hash(Hash.SHA1, forced.cookies, addresses[own], 500)
        assert len(second) == SHA1_OCTETS


def quick_mode(exchange: Exchange) -> list[tuple[int, bytes, tuple[Payload, ...]]]:
    """Message id, plain text and payloads of each quick mode message, the IV chained from one to the next."""
    found = []
    last_block = exchange.messages[5][-exchange.keys.cipher.block :]
    iv = b""
    for place, text in enumerate(exchange.vector["quick_mode"], 1):
        message = octets(text)
        message_id = decode_header(message)[0].message_id
        if not iv:
            iv = keymat.phase2_iv(exchange.keys, last_block, message_id)
            assert iv.hex() == exchange.vector["qm_iv"]
        header, plain = exchange.decrypt(message, iv)
        iv = message[-exchange.keys.cipher.block :]
        if f"qm{place}_plain" in exchange.vector:
            assert plain.hex() == exchange.vector[f"qm{place}_plain"]
        if f"iv_after_qm{place}" in exchange.vector:
            assert iv.hex() == exchange.vector[f"iv_after_qm{place}"]
        found.append((message_id, plain, decode_payloads(header.next_payload, plain, padded=True)))
    return found


def hashed(plain: bytes, payloads: tuple[Payload, ...]) -> bytes:
    """What HASH(1) and HASH(2) are over: all payloads behind the HASH, without padding."""
    return encode_payloads(payloads)[4 + SHA1_OCTETS :]


def test_quick_mode_hashes(exchange: Exchange) -> None:
    messages = quick_mode(exchange)
    (message_id, plain_1, qm1), (_, plain_2, qm2) = messages[:2]
    nonce_i, nonce_r = (next(p.value for p in message if isinstance(p, Nonce)) for message in (qm1, qm2))
    proofs = [next(p.value for p in message if isinstance(p, HashPayload)) for _, _, message in messages]
    assert keymat.hash_1(exchange.keys, message_id, hashed(plain_1, qm1)) == proofs[0]
    assert keymat.hash_2(exchange.keys, message_id, nonce_i, hashed(plain_2, qm2)) == proofs[1]
    hash_3 = keymat.hash_3(exchange.keys, message_id, nonce_i + nonce_r)
    if len(proofs) == 3:
        assert hash_3 == proofs[2]
        assert [proof.hex() for proof in proofs] == [exchange.vector[f"HASH_{n}"] for n in (1, 2, 3)]
        assert f"{message_id:08x}" == exchange.vector["qm_message_id"]
        assert (nonce_i.hex(), nonce_r.hex()) == (exchange.vector["qm_nonce_i"], exchange.vector["qm_nonce_r"])
    else:
        assert hash_3.hex() == "6b3f09f7c9ea51044e02abbd16cc8d037eafad16"


def test_keys_of_esp(aes: Exchange) -> None:
    (_, _, qm1), (_, _, qm2), _ = quick_mode(aes)
    nonces = b"".join(next(p.value for p in message if isinstance(p, Nonce)) for message in (qm1, qm2))
    spis = [next(p for p in message if isinstance(p, Sa)).proposals[0].spi for message in (qm1, qm2)]
    transform = Transform(EspCipher.AES_CBC, 128, Integrity.SHA1)
    for name, spi in (("esp_i_to_r", spis[1]), ("esp_r_to_i", spis[0])):  # the SPI is its receiver's
        expected = aes.vector[name]
        assert spi.hex() == expected["spi"].removeprefix("0x")
        encryption, integrity = keymat.esp_keys(aes.keys, transform, spi, nonces)
        assert (encryption + integrity).hex() == expected["keymat"]
        assert (encryption.hex(), integrity.hex()) == (expected["encryption_key"], expected["integrity_key"])


def test_informational_messages(aes: Exchange) -> None:
    """Twice DPD and its answer, then both deletes, each under a message id and IV of its own."""
    last_block = aes.messages[5][-16:]
    kinds: list[str] = []
    for item in aes.vector["informational"]:
        header, _ = decode_header(octets(item["message"]))
        assert f"{header.message_id:08x}" == item["message_id"]
        iv = keymat.phase2_iv(aes.keys, last_block, header.message_id)
        assert iv.hex() == item["iv"]
        header, plain = aes.decrypt(octets(item["message"]), iv)
        assert plain.hex() == item["plain"]
        proof, what = decode_payloads(header.next_payload, plain, padded=True)
        assert isinstance(proof, HashPayload) and proof.value.hex() == item["hash"]
        assert keymat.hash_1(aes.keys, header.message_id, hashed(plain, (proof, what))) == proof.value
        match what:
            case Notification(protocol=1, spi=spi, type=kind) if spi == aes.cookies:
                kinds.append(NotifyType(kind).name)
            case Delete(protocol=protocol, spis=(_,)):
                kinds.append(f"DELETE {protocol}")
    assert kinds == ["R_U_THERE", "R_U_THERE_ACK"] * 2 + ["DELETE 3", "DELETE 1"]
