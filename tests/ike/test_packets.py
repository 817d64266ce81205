"""What we write we read again; what is cut, stretched or overlapping is refused with a reason."""

from __future__ import annotations

import random
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.isakmp import ISAKMP

from iosish.ike import attributes, dh, packet, payloads
from iosish.ike.attributes import Attribute
from iosish.ike.errors import PacketError
from iosish.ike.payloads import Kind

hashes = st.binary(min_size=payloads.MIN_HASH, max_size=payloads.MAX_HASH)
octet, short = st.integers(0, 255), st.integers(0, 0xFFFF)
some = st.binary(max_size=60)
attribute = st.builds(Attribute, st.integers(0, 0x7FFF), st.one_of(short, st.binary(max_size=12)))
transform = st.builds(payloads.Transform, octet, octet, st.lists(attribute, max_size=7).map(tuple))
proposal = st.builds(
    payloads.Proposal, octet, octet, st.binary(max_size=16), st.lists(transform, min_size=1, max_size=4).map(tuple)
)
delete = st.integers(1, 16).flatmap(
    lambda size: st.builds(
        payloads.Delete,
        octet,
        st.just(size),
        st.lists(st.binary(min_size=size, max_size=size), max_size=5).map(tuple),
    )
)
OTHERS = [kind for kind in range(1, 256) if kind not in set(payloads.Kind)]
payload = st.one_of(
    st.builds(payloads.Sa, st.lists(proposal, min_size=1, max_size=3).map(tuple)),
    st.builds(payloads.KeyExchange, some.filter(bool)),
    st.one_of(
        st.builds(payloads.Identification, st.sampled_from([2, 3, 9, 11]), octet, short, some),
        st.builds(payloads.Identification, st.just(1), octet, short, st.binary(min_size=4, max_size=4)),
        st.builds(payloads.Identification, st.sampled_from([4, 7]), octet, short, st.binary(min_size=8, max_size=8)),
    ),
    st.builds(payloads.Certificate, octet, some),
    st.builds(payloads.CertificateRequest, octet, some),
    st.builds(payloads.Hash, hashes),
    st.builds(payloads.Signature, some),
    st.builds(payloads.Nonce, st.binary(min_size=payloads.MIN_NONCE, max_size=payloads.MAX_NONCE)),
    st.builds(payloads.Notification, octet, st.binary(max_size=16), short, some),
    delete,
    st.builds(payloads.VendorId, some),
    st.builds(payloads.NatDetection, st.sampled_from(sorted(payloads.NAT_D_KINDS)), hashes),
    st.builds(payloads.NatOriginalAddress, st.sampled_from(sorted(payloads.NAT_OA_KINDS)), octet, some),
    st.builds(payloads.Other, st.sampled_from(OTHERS), some),
)
chain = st.lists(payload, max_size=6).map(tuple)
cookie = st.binary(min_size=8, max_size=8)


@given(cookie.filter(any), cookie, octet, chain, st.integers(0, 0xFFFFFFFF))
def test_a_message_is_read_as_it_was_written(
    cookie_i: bytes, cookie_r: bytes, exchange: int, wanted: tuple[payloads.Payload, ...], message_id: int
) -> None:
    written = packet.encode(cookie_i, cookie_r, exchange, wanted, message_id)
    header, found = packet.decode(written)
    assert found == wanted
    assert (header.cookie_i, header.cookie_r, header.exchange, header.message_id) == (
        cookie_i,
        cookie_r,
        exchange,
        message_id,
    )


@given(chain, st.integers(0, 40))
def test_padding_of_any_length_is_no_part_of_what_was_decrypted(
    wanted: tuple[payloads.Payload, ...], padding: int
) -> None:
    body = packet.encode_payloads(wanted)
    first = packet.first_kind(wanted)
    assert packet.decode_payloads(first, body + bytes(padding), padded=True) == wanted
    if padding:
        with pytest.raises(PacketError):
            packet.decode_payloads(first, body + bytes(padding))


@given(cookie.filter(any), chain.filter(bool), st.data())
def test_a_message_that_is_cut_is_refused(
    cookie_i: bytes, wanted: tuple[payloads.Payload, ...], data: st.DataObject
) -> None:
    written = packet.encode(cookie_i, bytes(8), packet.Exchange.MAIN, wanted)
    with pytest.raises(PacketError):
        packet.decode(written[: data.draw(st.integers(0, len(written) - 1))])


@given(st.binary(max_size=200))
def test_whatever_comes_nothing_but_a_packet_error_is_raised(data: bytes) -> None:
    for read in (packet.decode, packet.decode_header, attributes.decode):
        try:
            read(data)
        except PacketError as error:
            assert error.reason
    for first in range(256):
        try:
            packet.decode_payloads(first, data, padded=True)
        except PacketError as error:
            assert error.reason


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "shorter than an ISAKMP header"),
        ("00" * 8 + "00" * 8 + "01100200" + "00000000" + "0000001c", "no initiator cookie"),
        ("11" * 8 + "00" * 8 + "01100200" + "00000000" + "0000001b", "ISAKMP length does not fit the packet"),
        ("11" * 8 + "00" * 8 + "01100200" + "00000000" + "0000001d", "ISAKMP length does not fit the packet"),
        ("11" * 8 + "00" * 8 + "01100201" + "00000000" + "0000001c", "encrypted before there are keys"),
        ("11" * 8 + "00" * 8 + "01100200" + "00000000" + "0000001c", "payload is cut off"),
        ("11" * 8 + "00" * 8 + "0a100200" + "00000000" + "00000020" + "00000003", "payload of a wrong length"),
        ("11" * 8 + "00" * 8 + "0a100200" + "00000000" + "00000020" + "00000005", "payload of a wrong length"),
        ("11" * 8 + "00" * 8 + "00100200" + "00000000" + "00000020" + "00000004", "octets behind the last payload"),
    ],
)
def test_refusals(octets: str, reason: str) -> None:
    with pytest.raises(PacketError) as refusal:
        packet.decode(bytes.fromhex(octets))
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (Kind.KEY_EXCHANGE, b"", "public value of an impossible length"),
        (Kind.KEY_EXCHANGE, bytes(1025), "public value of an impossible length"),
        (Kind.NONCE, bytes(7), "nonce of an impossible length"),
        (Kind.NONCE, bytes(257), "nonce of an impossible length"),
        (Kind.HASH, bytes(15), "hash of an impossible length"),
        (Kind.HASH, bytes(65), "hash of an impossible length"),
        (Kind.NAT_D, bytes(15), "NAT-D payload of an impossible length"),
        (Kind.IDENTIFICATION, bytes.fromhex("01110000ac1019"), "ID payload does not fit its type"),
        (Kind.IDENTIFICATION, bytes.fromhex("04110000ac101902"), "ID payload does not fit its type"),
        (Kind.IDENTIFICATION, bytes(3), "ID payload is cut off"),
        (Kind.NOTIFICATION, bytes.fromhex("0000000101110001") + bytes(17), "SPI is too long"),
        (Kind.DELETE, bytes.fromhex("0000000101110001") + bytes(17), "SPI is too long"),
        (Kind.DELETE, bytes.fromhex("0000000103000001"), "wrong number of SPIs"),
        (Kind.DELETE, bytes.fromhex("0000000103040002") + bytes(4), "delete payload of a wrong length"),
        (Kind.SA, bytes.fromhex("0000000100000001" + "0000001901011101") + bytes(17), "SPI is too long"),
        (Kind.SA, bytes.fromhex("0000000200000001"), "SA of another domain of interpretation"),
        (Kind.PROPOSAL, bytes(8), "proposal outside an SA payload"),
        (Kind.TRANSFORM, bytes(8), "proposal outside an SA payload"),
    ],
)
def test_bodies_that_are_refused(kind: Kind, body: bytes, reason: str) -> None:
    with pytest.raises(PacketError) as refusal:
        payloads.decode_body(kind, body)
    assert refusal.value.reason == reason


def test_scapy_reads_what_we_write() -> None:
    offered = payloads.Transform(1, 1, (Attribute(1, 7), Attribute(14, 128), attributes.long(12, 86400)))
    offer = payloads.Sa((payloads.Proposal(1, 1, b"", (offered,)),))
    written = packet.encode(b"initiate", bytes(8), packet.Exchange.MAIN, (offer, payloads.VendorId(b"v" * 16)))
    read = ISAKMP(written)
    assert read.init_cookie == b"initiate" and read.exch_type == 2 and read.length == len(written)
    assert read.payload.prop.trans.transforms == [
        ("Encryption", "AES-CBC"),
        ("KeyLength", 128),
        ("LifeDuration", 86400),
    ]
    assert bytes(read.payload.payload).endswith(b"v" * 16) and read.payload.next_payload == payloads.Kind.VENDOR_ID


def test_nothing_secret_shows() -> None:
    assert "6b6579" not in repr(payloads.Hash(b"key")) and "key" not in repr(payloads.Hash(b"key"))


@pytest.mark.parametrize("group", sorted(dh.GROUPS))
def test_both_ends_of_a_group_agree(group: int) -> None:
    source = random.Random(group)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # cryptography's about groups that go away is no business of a user
        one, other = (dh.DiffieHellman(source).begin(group) for _ in range(2))
        assert one.public != other.public
        assert one.shared(other.public) == other.shared(one.public)
    assert len(one.public) == dh.public_octets(group)


@pytest.mark.parametrize("group", [1, 2, 5, 14, 15, 16, 24])
def test_openssl_and_python_compute_the_same(group: int) -> None:
    prime = int(dh._PRIMES[group], 16)
    exponent = random.Random(1).randbytes(32)
    power = pow(3, int.from_bytes(exponent, "big"), prime)
    assert dh._power(group)(b"\x03", exponent) == power.to_bytes(dh.public_octets(group), "big")


def test_python_takes_over_where_openssl_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(prime: bytes) -> dh.Power:
        raise AttributeError("no such symbol")

    monkeypatch.setattr(dh, "_openssl", missing)
    dh._power.cache_clear()
    try:
        one, other = (dh.DiffieHellman(random.Random(seed)).begin(2) for seed in range(2))
        assert one.shared(other.public) == other.shared(one.public)
    finally:
        dh._power.cache_clear()


@pytest.mark.parametrize("group", [1, 2, 14, 24])
@pytest.mark.parametrize("value", [0, 1, -1])
def test_values_that_give_the_secret_away_are_refused(group: int, value: int) -> None:
    prime = int(dh._PRIMES[group], 16)
    public = (value % prime).to_bytes(dh.public_octets(group), "big")
    with pytest.raises(PacketError, match="out of range"):
        dh.DiffieHellman(random.Random(1)).begin(group).shared(public)


def test_a_value_of_a_small_subgroup_is_refused() -> None:
    """Group 24 alone has some: 2 is no power of its generator (RFC 5114 4)."""
    with pytest.raises(PacketError, match="no use"):
        dh.DiffieHellman(random.Random(1)).begin(24).shared((2).to_bytes(256, "big"))


@pytest.mark.parametrize("group", [19, 20, 21])
def test_a_point_beside_its_curve_is_refused(group: int) -> None:
    exchange = dh.DiffieHellman(random.Random(1)).begin(group)
    wrong = exchange.public[:-1] + bytes((exchange.public[-1] ^ 1,))
    with pytest.raises(PacketError, match="no point"):
        exchange.shared(wrong)
    with pytest.raises(PacketError, match="wrong length"):
        exchange.shared(exchange.public[:-1])
