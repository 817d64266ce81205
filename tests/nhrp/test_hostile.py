"""Anything from the wire: a packet, or one exception with a reason; never more out of `receive`."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st

from iosish.engine import Datagram
from iosish.nhrp.cie import Cie
from iosish.nhrp.config import NhrpConfig
from iosish.nhrp.engine import NhrpEngine
from iosish.nhrp.extensions import Extension
from iosish.nhrp.packet import Body, Exchange, Fault, Indication, Packet, PacketType, decode
from iosish.nhrp.wire import Address, PacketError, checksum
from tests.nhrp.link import HUB_NBMA, Link, hub_interface, nbma, spoke_interface, tunnel_address
from tests.nhrp.pcap import nhrp_frames
from tests.nhrp.test_captures import FRAMES

octet, word = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
addresses: st.SearchStrategy[Address] = st.one_of(
    st.none(), st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)
)
cies = st.builds(
    Cie,
    code=octet,
    prefix=octet,
    mtu=word,
    holding_time_s=word,
    nbma=addresses,
    protocol=addresses,
    preference=octet,
    subaddress=st.binary(max_size=63),
)
extensions = st.one_of(
    st.none(),
    st.lists(
        st.builds(Extension, type=st.integers(1, 0x3FFF), value=st.binary(max_size=40), compulsory=st.booleans()),
        max_size=6,
    ).map(tuple),
)
CAPTURED = [frame.payload for name in FRAMES for frame in nhrp_frames(name)]


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    kind = draw(st.sampled_from(PacketType))
    body: Body
    match kind:
        case PacketType.ERROR_INDICATION:
            body = Fault(draw(word), draw(word), draw(st.binary(max_size=80)))
        case PacketType.TRAFFIC_INDICATION:
            body = Indication(draw(word), draw(st.binary(max_size=80)))
        case _:
            body = Exchange(draw(word), draw(st.integers(0, 2**32 - 1)), tuple(draw(st.lists(cies, max_size=3))))
    family = draw(st.sampled_from([1, 2]))
    protocol = draw(st.sampled_from([0x0800, 0x86DD]))
    native, overlay = _of_size(4 if family == 1 else 16), _of_size(4 if protocol == 0x0800 else 16)
    return Packet(
        type=kind,
        source_nbma=draw(native),
        source=draw(overlay),
        destination=draw(overlay),
        body=body,
        extensions=draw(extensions),
        hop_count=draw(octet),
        source_subaddress=draw(st.binary(max_size=63)),
        address_family=family,
        protocol_type=protocol,
    )


def _of_size(octets: int) -> st.SearchStrategy[Address]:
    native = st.binary(min_size=octets, max_size=octets).map(IPv4Address if octets == 4 else IPv6Address)
    return st.one_of(st.none(), native)


def resealed(data: bytes) -> bytes:
    """The same octets with a checksum that fits, so that what lies behind it is reached."""
    if len(data) < 14:
        return data
    data = data[:12] + b"\0\0" + data[14:]
    size = min(len(data), int.from_bytes(data[10:12], "big"))
    return data[:12] + checksum(data[:size]).to_bytes(2, "big") + data[14:]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A captured packet with some octets changed, cut or lengthened, and mostly a right checksum."""
    data = bytearray(draw(st.sampled_from(CAPTURED)))
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(octet)
    data = data[: draw(st.integers(1, len(data)))] if draw(st.booleans()) else data + draw(st.binary(max_size=8))
    if draw(st.booleans()) and len(data) > 12:
        data[10:12] = len(data).to_bytes(2, "big")
    return resealed(bytes(data)) if draw(st.integers(0, 4)) else bytes(data)


@given(packets())
def test_every_packet_survives_the_wire(packet: Packet) -> None:
    assert decode(packet.encode()) == packet


@given(packets(), st.binary(max_size=20))
def test_padding_behind_the_packet_is_no_part_of_it(packet: Packet, padding: bytes) -> None:
    assert decode(packet.encode() + padding) == packet


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(resealed), mutated()))
@settings(max_examples=500)
def test_decode_raises_nothing_but_its_own_error(data: bytes) -> None:
    try:
        packet = decode(data)
    except PacketError as error:
        assert error.reason
    else:
        assert decode(packet.encode()) == packet


def engines() -> tuple[NhrpEngine, NhrpEngine, Link]:
    link = Link()
    hub = link.add(hub_interface())
    spoke = link.add(spoke_interface(2, authentication=None, direct_reply=True))
    link.run(2)
    spoke.resolve("Tunnel0", tunnel_address(4), link.now)
    link.collect()
    return hub, spoke, link


@given(st.lists(st.one_of(mutated(), packets().map(Packet.encode), st.binary(max_size=120)), max_size=12))
@settings(max_examples=300, deadline=None)
def test_receive_never_raises_and_the_registered_stay(frames: list[bytes]) -> None:
    hub, spoke, link = engines()
    for data in frames:
        hub.receive(Datagram("Tunnel0", nbma(9), HUB_NBMA, data), link.now)
        spoke.receive(Datagram("Tunnel0", nbma(9), nbma(2), data), link.now)
        spoke.receive(Datagram("Tunnel0", HUB_NBMA, nbma(2), data), link.now)
        link.now += 0.1
    for engine in (hub, spoke):
        for datagram in engine.datagrams():
            decode(datagram.payload)
        engine.wake(link.now)
        engine.state(link.now)
        engine.events()
    assert hub.forwarding()["Tunnel0"].neighbours[tunnel_address(2)] == nbma(2)


def test_an_idle_tunnel_takes_nothing() -> None:
    engine = NhrpEngine(random.Random(1))
    engine.configure(NhrpConfig({"Tunnel0": hub_interface(nbma=None)}), 0.0)
    engine.receive(Datagram("Tunnel0", nbma(2), HUB_NBMA, CAPTURED[0]), 0.0)
    engine.receive(Datagram("Tunnel9", nbma(2), HUB_NBMA, CAPTURED[0]), 0.0)
    assert engine.datagrams() == [] and engine.next_wake() is None
    engine.configure(None, 1.0)
    assert engine.state(1.0).interfaces == {}
