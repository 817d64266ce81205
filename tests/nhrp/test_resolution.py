"""Resolution through the hub, message by message; refresh, purge, errors, transit."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import pairwise
from typing import Any

import pytest

from iosish.config.model import Nhs
from iosish.engine import Datagram
from iosish.nhrp.cie import Cie, Code
from iosish.nhrp.config import NhrpConfig, Sessions
from iosish.nhrp.engine import NhrpEngine
from iosish.nhrp.extensions import Extension, ExtensionType, of_cies
from iosish.nhrp.packet import ErrorCode, Exchange, Fault, Packet, PacketType, decode
from tests.nhrp.link import (
    HUB,
    HUB_NBMA,
    Link,
    Sent,
    entry,
    hub_interface,
    ip,
    lines,
    nbma,
    spoke_interface,
    tunnel_address,
)
from tests.nhrp.pcap import nhrp_frames

R2, R3, R4 = tunnel_address(2), tunnel_address(3), tunnel_address(4)
REQUEST, REPLY = PacketType.RESOLUTION_REQUEST, PacketType.RESOLUTION_REPLY


class Lab(Link):
    """R1 and some spokes, registered, with the log emptied."""

    def __init__(self, *spokes: int, hub: dict[str, Any] | None = None, **spoke: Any) -> None:
        super().__init__()
        self.hub = self.add(hub_interface(**(hub or {})))
        self.spokes = {number: self.add(spoke_interface(number, **spoke)) for number in spokes}
        self.run(5)
        self.frames()
        for engine in self.engines.values():
            engine.events()

    def asks(self, number: int, next_hop: IPv4Address) -> None:
        """Data of a spoke waits for `next_hop`."""
        self.spokes[number].resolve("Tunnel0", next_hop, self.now)
        self.collect()

    def way(self, number: int, next_hop: IPv4Address) -> IPv4Address | None:
        return self.spokes[number].forwarding()["Tunnel0"].neighbours.get(next_hop)

    def used(self, number: int, peer: IPv4Address) -> None:
        self.spokes[number].used("Tunnel0", frozenset({peer}), self.now)


def extension(packet: Packet, kind: ExtensionType) -> Extension:
    (found,) = [item for item in packet.extensions or () if item.type == kind]
    return found


def with_id(packet: Packet, request_id: int) -> Packet:
    assert isinstance(packet.body, Exchange)
    return replace(packet, body=replace(packet.body, request_id=request_id))


def test_both_ask_and_both_answer_through_the_hub() -> None:
    lab = Lab(2, 4)
    version = lab.spokes[2].version
    lab.asks(2, R4)
    # The first packet is not lost: it goes by the hub at once.
    assert lab.way(2, R4) == HUB_NBMA
    assert lab.spokes[2].version > version
    incomplete = entry(lab.spokes[2], R4, lab.now)
    assert incomplete is not None
    assert (incomplete.kind, incomplete.flags, incomplete.via, incomplete.nbma) == (
        "incomplete",
        ("negative",),
        None,
        None,
    )
    assert incomplete.expires_at == pytest.approx(lab.now + 180)
    assert not incomplete.up and incomplete.changed_at is None

    # Its echo reply makes R4 ask as well, before R2's request is there.
    lab.asks(4, R2)
    lab.run(1)
    assert [frame.summary for frame in lab.frames()] == [
        ("R2", "R1", "resolution request"),
        ("R4", "R1", "resolution request"),
        ("R1", "R4", "resolution request"),  # hop count 254, R1 in the forward record
        ("R1", "R2", "resolution request"),
        ("R4", "R1", "resolution reply"),
        ("R2", "R1", "resolution reply"),
        ("R1", "R2", "resolution reply"),  # 254, R1 in both records
        ("R1", "R4", "resolution reply"),
    ]
    # Direct both ways.
    assert (lab.way(2, R4), lab.way(4, R2)) == (nbma(4), nbma(2))
    known = entry(lab.spokes[2], R4, lab.now)
    assert known is not None
    assert (known.kind, known.flags, known.via, known.nbma) == ("dynamic", ("router", "nhop"), R4, nbma(4))
    assert known.expires_at == pytest.approx(lab.now, abs=7199.1)
    assert known.target == IPv4Network("192.168.0.4/32")
    # R4 remembers whom it answered.
    local = entry(lab.spokes[4], R4, lab.now)
    assert local is not None and local.local
    assert (local.kind, local.flags, local.nbma) == ("dynamic", ("router", "unique", "local"), nbma(4))
    assert [requester for requester, _ in local.requesters] == [R2]
    assert R4 not in lab.spokes[4].forwarding()["Tunnel0"].neighbours
    # Spokes never multicast to each other.
    assert lab.spokes[2].forwarding()["Tunnel0"].multicast == (HUB_NBMA,)
    # The hub learnt nothing.
    assert len(lab.hub.state(lab.now).interfaces["Tunnel0"].entries) == 2


def test_frames_at_r2_equal_those_of_the_article() -> None:
    lab = Lab(2, 4)
    lab.asks(2, R4)
    lab.asks(4, R2)
    lab.run(1)
    at_r2 = [frame for frame in lab.frames() if nbma(2) in (frame.source, frame.destination)]
    captured = nhrp_frames("epiecs__packetlife-backup/mGRE_ICMP.cap")
    assert len(at_r2) == len(captured) == 4
    for mine, theirs in zip(at_r2, captured, strict=True):
        assert (mine.source, mine.destination) == (theirs.source, theirs.destination)
        expected = decode(theirs.payload)
        assert isinstance(expected.body, Exchange)
        assert with_id(mine.packet, expected.body.request_id).encode() == theirs.payload


@pytest.mark.parametrize(
    ("password", "request_size", "forwarded", "reply", "through"),
    [(None, 72, 92, 120, 140), (b"secret", 86, 106, 134, 154), (b"cisco123", 88, 108, 136, 156)],
)
def test_reference_sizes(password: bytes | None, request_size: int, forwarded: int, reply: int, through: int) -> None:
    lab = Lab(2, 4, hub={"authentication": password}, authentication=password)
    lab.asks(2, R4)
    lab.run(1)
    packets = [frame.packet for frame in lab.frames()]
    sizes = [(len(packet.encode()), int.from_bytes(packet.encode()[14:16], "big")) for packet in packets]
    assert sizes == [(request_size, 52), (forwarded, 52), (reply, 60), (through, 60)]
    assert [packet.hop_count for packet in packets] == [255, 254, 255, 254]
    # Authentication: exactly one at each hop.
    for packet in packets:
        found = [item for item in packet.extensions or () if item.type == ExtensionType.AUTHENTICATION]
        assert len(found) == (0 if password is None else 1)


def test_a_direct_reply_goes_straight_and_the_requester_is_learnt() -> None:
    lab = Lab(2, 4, direct_reply=True)
    lab.asks(2, R4)
    lab.run(1)
    frames = lab.frames()
    assert [frame.summary for frame in frames] == [
        ("R2", "R1", "resolution request"),
        ("R1", "R4", "resolution request"),
        ("R4", "R2", "resolution reply"),
    ]
    assert extension(frames[2].packet, ExtensionType.REVERSE_RECORD).value == b""
    learnt = entry(lab.spokes[4], R2, lab.now)
    assert learnt is not None and learnt.flags == ("router", "implicit")
    assert (lab.way(2, R4), lab.way(4, R2)) == (nbma(4), nbma(2))


def test_an_unanswered_question_is_repeated_and_lapses_after_three_minutes() -> None:
    lab = Lab(2, 4)
    lab.lost = lambda sent: sent.packet.type is REQUEST
    lab.asks(2, R4)
    lab.run(170)
    frames = lab.frames(REQUEST)
    assert len({frame.exchange.request_id for frame in frames}) == 1
    for gap, nominal in zip((b.at - a.at for a, b in pairwise(frames)), (2, 4, 8, 16, 32, 64), strict=False):
        assert 0.75 * nominal <= gap <= nominal
    assert lab.way(2, R4) == HUB_NBMA
    lab.run(11)
    assert entry(lab.spokes[2], R4, lab.now) is None and lab.way(2, R4) is None
    # The next packet asks again.
    lab.lost = lambda sent: False
    lab.asks(2, R4)
    lab.run(1)
    assert lab.way(2, R4) == nbma(4)


def test_nobody_there_becomes_a_negative_entry() -> None:
    lab = Lab(2)
    lab.asks(2, tunnel_address(77))
    lab.run(1)
    assert [frame.summary[2] for frame in lab.frames()] == ["resolution request", "resolution reply"]
    assert lines(lab.spokes[2].events()) == [
        "%NHRP-3-PAKREPLY: Receive Resolution Reply packet with error - no binding exists(12)"
    ]
    lab.asks(2, tunnel_address(77))  # not asked again
    lab.run(100)
    assert lab.frames(REQUEST) == []
    assert lab.way(2, tunnel_address(77)) == HUB_NBMA
    lab.run(100)
    assert entry(lab.spokes[2], tunnel_address(77), lab.now) is None


def test_a_hub_asks_nobody_and_a_server_only_spoke_only_uses_its_server() -> None:
    lab = Lab(2, server_only=True)
    lab.hub.resolve("Tunnel0", tunnel_address(9), lab.now)
    lab.asks(2, R4)
    lab.run(10)
    assert lab.frames(REQUEST) == []
    assert entry(lab.hub, tunnel_address(9), lab.now) is None
    assert lab.way(2, R4) == HUB_NBMA


def test_own_multicast_and_subnet_addresses_are_not_asked_for() -> None:
    lab = Lab(2)
    for address in ("192.168.0.2", "192.168.0.0", "192.168.0.255", "224.0.0.10", "0.0.0.0", "192.168.0.1"):
        lab.asks(2, ip(address))
    assert lab.frames() == []


@pytest.mark.parametrize("holdtime_s", [1, 2, 3, 30, 7200])
def test_a_used_entry_is_asked_for_again_before_its_end_and_an_unused_one_lapses(holdtime_s: int) -> None:
    lab = Lab(2, 4, hub={"holdtime_s": holdtime_s}, holdtime_s=holdtime_s)
    lab.asks(2, R4)
    lab.run(0.1)
    end = lab.now + 3 * holdtime_s
    lab.frames()
    while lab.now < end:
        lab.used(2, nbma(4))
        lab.run(0.25 if holdtime_s < 100 else 20)
        assert lab.way(2, R4) == nbma(4)
    asked = sum(frame.source == nbma(2) for frame in lab.frames(REQUEST))
    answered_s = max(1, holdtime_s - 1)
    assert 3 <= asked <= 3 * holdtime_s / (answered_s / 2) + 1
    lab.run(holdtime_s * 2 + 2)
    assert entry(lab.spokes[2], R4, lab.now) is None
    assert entry(lab.spokes[2], HUB, lab.now) is not None


def test_the_used_flag_shows_after_the_minutely_look() -> None:
    lab = Lab(2, 4)
    lab.asks(2, R4)
    lab.run(0.1)
    for _ in range(70):
        lab.used(2, nbma(4))
        lab.run(0.5)
    assert entry(lab.spokes[2], R4, lab.now).flags == ("router", "nhop")  # type: ignore[union-attr] # it is there
    for _ in range(70):
        lab.used(2, nbma(4))
        lab.run(0.5)
    assert entry(lab.spokes[2], R4, lab.now).flags == ("router", "used", "nhop")  # type: ignore[union-attr] # as above
    lab.run(121)
    assert entry(lab.spokes[2], R4, lab.now).flags == ("router", "nhop")  # type: ignore[union-attr] # as above


def test_who_was_answered_is_told_when_it_is_no_longer_true() -> None:
    lab = Lab(2, 4)
    lab.asks(2, R4)
    lab.run(1)
    lab.frames()
    lab.spokes[4].clear(None, R4, lab.now)  # the local entry
    lab.collect()
    lab.run(0.5)
    frames = lab.frames()
    assert [frame.summary for frame in frames] == [
        ("R4", "R1", "purge request"),
        ("R1", "R2", "purge request"),
        ("R2", "R1", "purge reply"),
        ("R1", "R4", "purge reply"),
    ]
    (cie,) = frames[0].exchange.cies
    assert (cie.protocol, cie.prefix, cie.holding_time_s) == (R4, 32, 0)
    assert entry(lab.spokes[2], R4, lab.now) is None


def test_a_moved_egress_purges_the_old_way_before_it_registers_the_new_one() -> None:
    lab = Lab(2, 4, unique=False)
    lab.asks(2, R4)
    lab.run(1)
    engine = lab.engines.pop(nbma(4))
    lab.engines[nbma(8)] = engine
    moved = spoke_interface(4, nbma=nbma(8), unique=False)
    lab.configs[nbma(8)] = moved
    lab.configure(moved)
    lab.run(1)
    assert lab.way(2, R4) is None
    lab.asks(2, R4)
    lab.run(1)
    assert lab.way(2, R4) == nbma(8)


def test_only_the_client_itself_takes_its_registration_back() -> None:
    lab = Lab(2, 3)
    cie = Cie(prefix=32, protocol=R2)
    for source, peer, stays in ((R3, nbma(3), True), (R2, nbma(3), True), (R2, nbma(2), False)):
        purge = Packet(
            type=PacketType.PURGE_REQUEST,
            source_nbma=peer,
            source=source,
            destination=HUB,
            body=Exchange(0x8000, 99, (cie,)),
            extensions=(),
        )
        lab.hub.receive(Datagram("Tunnel0", peer, HUB_NBMA, purge.encode()), lab.now)
        assert (entry(lab.hub, R2, lab.now) is not None) is stays
    assert lab.hub.datagrams() == []  # N: no reply wanted


def resolution_request(**changes: Any) -> Packet:
    """R2's request for R4 as the hub gets it."""
    lab = Lab(2)
    lab.asks(2, R4)
    return replace(lab.log[0].packet, **changes)


def answers(lab: Lab, packet: Packet, peer: IPv4Address | None = None) -> list[Sent]:
    """What the hub sends when R2 hands it `packet`."""
    lab.hub.receive(Datagram("Tunnel0", peer or nbma(2), HUB_NBMA, packet.encode()), lab.now)
    return [Sent(lab.now, sent.local, sent.peer, decode(sent.payload)) for sent in lab.hub.datagrams()]


def test_a_loop_is_an_error_to_who_sent_it() -> None:
    lab = Lab(2, 4)
    been_here = of_cies(ExtensionType.FORWARD_RECORD, (Cie(nbma=HUB_NBMA, protocol=HUB),))
    request = resolution_request()
    extensions = tuple(been_here if item.type == been_here.type else item for item in request.extensions or ())
    (error,) = answers(lab, replace(request, extensions=extensions))
    assert isinstance(error.packet.body, Fault) and error.packet.body.code == ErrorCode.LOOP_DETECTED
    assert (error.destination, error.packet.source, error.packet.destination) == (nbma(2), HUB, R2)
    # Two spokes behind one translated address: the way to the other leads back where it came from.
    (error,) = answers(lab, replace(request, source=R3), nbma(4))
    assert isinstance(error.packet.body, Fault) and error.packet.body.code == ErrorCode.LOOP_DETECTED


def test_the_last_hop_is_an_error() -> None:
    lab = Lab(2, 4)
    (error,) = answers(lab, resolution_request(hop_count=1))
    assert isinstance(error.packet.body, Fault) and error.packet.body.code == ErrorCode.HOP_COUNT_EXCEEDED
    (passed,) = answers(lab, resolution_request(hop_count=2))
    assert (passed.destination, passed.packet.hop_count) == (nbma(4), 1)


def test_errors_never_answer_errors_and_are_few() -> None:
    lab = Lab(2)
    error = Packet(
        type=PacketType.ERROR_INDICATION,
        source_nbma=nbma(2),
        source=R2,
        destination=tunnel_address(99),
        body=Fault(ErrorCode.LOOP_DETECTED, 0, b""),
    )
    assert answers(lab, error) == []
    request = replace(resolution_request(), type=PacketType.PURGE_REQUEST, destination=tunnel_address(99))
    sent = [len(answers(lab, request)) for _ in range(20)]
    assert sum(sent) == 5


def test_a_purge_for_nobody_is_unreachable() -> None:
    lab = Lab(2)
    (error,) = answers(lab, resolution_request(type=PacketType.PURGE_REQUEST, destination=tunnel_address(99)))
    assert isinstance(error.packet.body, Fault) and error.packet.body.code == ErrorCode.PROTOCOL_ADDRESS_UNREACHABLE


@pytest.mark.parametrize(("peer", "stays"), [(2, True), (4, False)])
def test_a_registration_is_taken_back_by_its_client_alone(peer: int, stays: bool) -> None:
    """Whatever a purge says of its sender: else anybody could register in the place of another."""
    lab = Lab(2, 4)
    purge = Packet(
        type=PacketType.PURGE_REQUEST,
        source_nbma=nbma(4),
        source=R4,
        destination=HUB,
        body=Exchange(0, 7, (Cie(prefix=32, protocol=R4),)),
    )
    lab.hub.receive(Datagram("Tunnel0", nbma(peer), HUB_NBMA, purge.encode()), lab.now)
    assert (entry(lab.hub, R4, lab.now) is not None) is stays


def test_an_error_about_our_question_makes_it_negative() -> None:
    lab = Lab(2)
    lab.asks(2, R4)
    request = lab.frames()[0].packet
    error = Packet(
        type=PacketType.ERROR_INDICATION,
        source_nbma=HUB_NBMA,
        source=HUB,
        destination=R2,
        body=Fault(ErrorCode.LOOP_DETECTED, 84, request.encode()),
    )
    lab.spokes[2].receive(Datagram("Tunnel0", HUB_NBMA, nbma(2), error.encode()), lab.now)
    (line,) = lines(lab.spokes[2].events())
    assert line.startswith(
        "%NHRP-3-PAKERROR: Received Error Indication from 172.16.15.2, code: loop detected(3), "
        "(trigger src: 192.168.0.2 (nbma: 172.16.25.2) dst: 192.168.0.4), offset: 84, data: 00 01 08 00 00"
    )
    known = entry(lab.spokes[2], R4, lab.now)
    assert known is not None and known.flags == ("negative",)
    assert known.expires_at == lab.now + 180


def test_without_authority_the_hub_answers_from_its_cache() -> None:
    lab = Lab(2, 4)
    request = resolution_request()
    assert isinstance(request.body, Exchange)
    (reply,) = answers(lab, replace(request, body=replace(request.body, flags=0x8802)))
    assert reply.packet.type is REPLY and reply.destination == nbma(2)
    (cie,) = reply.exchange.cies
    assert (cie.code, cie.nbma, cie.protocol) == (Code.SUCCESS, nbma(4), R4)
    assert 7190 < cie.holding_time_s < 7200


def test_unknown_compulsory_extensions_pass_the_hub_untouched_and_stop_at_the_egress() -> None:
    lab = Lab(2, 4)
    strange = Extension(0x1234, b"xyz")
    request = resolution_request()
    request = replace(request, extensions=(strange, *(request.extensions or ())))
    (passed,) = answers(lab, request)
    assert passed.packet.extensions == request.extensions  # carried through, no record of ours
    lab.spokes[4].receive(Datagram("Tunnel0", HUB_NBMA, nbma(4), passed.packet.encode()), lab.now)
    (error,) = [decode(sent.payload) for sent in lab.spokes[4].datagrams()]
    assert isinstance(error.body, Fault) and error.body.code == ErrorCode.UNRECOGNIZED_EXTENSION
    # Not compulsory: it comes back.
    mild = replace(request, extensions=(replace(strange, compulsory=False), *(request.extensions or ())[1:]))
    (passed,) = answers(lab, mild)
    lab.spokes[4].receive(Datagram("Tunnel0", HUB_NBMA, nbma(4), passed.packet.encode()), lab.now)
    (reply,) = [decode(sent.payload) for sent in lab.spokes[4].datagrams()]
    assert reply.type is REPLY and reply.extensions is not None
    assert reply.extensions[0] == replace(strange, compulsory=False)


def test_a_target_behind_nat_is_reached_at_its_public_address() -> None:
    lab = Link()
    public = ip("203.0.113.7")
    lab.seen_as[nbma(4)] = public
    lab.add(hub_interface())
    spoke = lab.add(spoke_interface(2))
    lab.add(spoke_interface(4))
    lab.run(5)
    spoke.resolve("Tunnel0", R4, lab.now)
    lab.collect()
    lab.run(1)
    known = entry(spoke, R4, lab.now)
    assert known is not None and (known.nbma, known.claimed_nbma) == (public, nbma(4))
    assert spoke.forwarding()["Tunnel0"].neighbours[R4] == public


def test_a_requester_behind_nat_gets_the_direct_reply_at_its_public_address() -> None:
    lab = Link()
    public = ip("203.0.113.7")
    lab.seen_as[nbma(2)] = public
    lab.add(hub_interface())
    spoke = lab.add(spoke_interface(2, direct_reply=True))
    egress = lab.add(spoke_interface(4, direct_reply=True))
    lab.run(5)
    lab.frames()
    spoke.resolve("Tunnel0", R4, lab.now)
    lab.collect()
    lab.run(1)
    request, _, reply = lab.frames()
    (cie,) = extension(request.packet, ExtensionType.NAT).cies
    assert (cie.nbma, cie.protocol) == (public, R2)
    assert reply.destination == public
    learnt = entry(egress, R2, lab.now)
    assert learnt is not None and (learnt.nbma, learnt.claimed_nbma) == (public, nbma(2))
    assert spoke.forwarding()["Tunnel0"].neighbours[R4] == nbma(4)


def test_an_unsolicited_reply_teaches_nothing() -> None:
    lab = Lab(2, 4)
    lab.asks(2, R4)
    lab.run(1)
    reply = lab.frames(REPLY)[-1].packet
    forged = with_id(reply, 4711)
    lab.spokes[2].clear(None, None, lab.now)
    for packet in (forged, reply):
        lab.spokes[2].receive(Datagram("Tunnel0", HUB_NBMA, nbma(2), packet.encode()), lab.now)
    assert lab.way(2, R4) is None
    assert lab.spokes[2].state(lab.now).interfaces["Tunnel0"].traffic.refused == {"unsolicited reply": 2}


def test_open_questions_follow_the_server_that_answers() -> None:
    second = ip("192.168.0.11")
    link = Link()
    link.add(hub_interface())
    link.add(hub_interface(address=IPv4Interface("192.168.0.11/24"), nbma=nbma(11)))
    nhs = spoke_interface(2).nhs
    spoke = link.add(
        spoke_interface(2, registration_timeout_s=5, nhs=(*nhs, replace(nhs[0], address=second, nbma=nbma(11))))
    )
    link.run(5)
    link.lost = lambda sent: sent.packet.type is REQUEST
    spoke.resolve("Tunnel0", R4, link.now)
    assert spoke.forwarding()["Tunnel0"].neighbours[R4] == HUB_NBMA
    link.remove(HUB_NBMA)
    link.run(30)
    assert spoke.forwarding()["Tunnel0"].neighbours[R4] == nbma(11)


def test_a_scan_keeps_a_bounded_number_of_questions_and_costs_no_live_entry() -> None:
    lab = Lab(2, 4)
    lab.asks(2, R4)
    lab.run(1)
    for number in range(2000):
        lab.asks(2, ip("10.0.0.0") + number)
    state = lab.spokes[2].state(lab.now).interfaces["Tunnel0"]
    assert sum(item.kind == "incomplete" for item in state.entries) == 256
    assert lab.way(2, R4) == nbma(4)


def test_one_cloud_on_two_tunnels_is_known_by_the_same_network_id_only() -> None:
    """A hub with a tunnel for each half of its spokes; ids are compared here, never on the wire (C15)."""
    routes = {R2: "Tunnel0", R4: "Tunnel1"}
    hub = NhrpEngine(random.Random(1), lambda interface, address: (routes.get(address, interface), address))
    left = hub_interface(map={R2: nbma(2)})
    right = hub_interface(
        name="Tunnel1", address=IPv4Interface("192.168.1.1/24"), nbma=ip("172.16.16.2"), map={R4: nbma(4)}
    )
    for network_id, kind, peer in ((1, REQUEST, nbma(4)), (2, REPLY, nbma(2))):
        config = {"Tunnel0": left, "Tunnel1": replace(right, network_id=network_id)}
        hub.configure(NhrpConfig(config), 0.0)
        hub.receive(Datagram("Tunnel0", nbma(2), HUB_NBMA, resolution_request().encode()), 1.0)
        (sent,) = hub.datagrams()
        # The same id: passed on. Another id: the cloud ends here, the hub answers for what is behind it.
        assert (decode(sent.payload).type, sent.peer) == (kind, peer)


def test_two_hubs_that_are_each_others_servers_ask_each_other() -> None:
    """R2 is registered at R1 only, R4 at R11 only."""
    second = ip("192.168.0.11")
    one, other = Nhs(HUB, HUB_NBMA), Nhs(second, nbma(11))
    link = Link()
    link.add(hub_interface(nhs=(other,)))
    link.add(hub_interface(address=IPv4Interface("192.168.0.11/24"), nbma=nbma(11), nhs=(one,)))
    spoke = link.add(spoke_interface(2))
    link.add(spoke_interface(4, nhs=(other,)))
    link.run(5)
    link.frames()
    for target, way in ((R4, nbma(4)), (tunnel_address(77), HUB_NBMA)):
        spoke.resolve("Tunnel0", target, link.now)
        link.collect()
        link.run(1)
        assert spoke.forwarding()["Tunnel0"].neighbours[target] == way
    assert [frame.summary[:2] for frame in link.frames()] == [
        ("R2", "R1"),
        ("R1", "R11"),
        ("R11", "R4"),
        ("R4", "R11"),
        ("R11", "R1"),
        ("R1", "R2"),
        # Nobody has .77: R11 does not send it back to R1 but says so.
        ("R2", "R1"),
        ("R1", "R11"),
        ("R11", "R1"),
        ("R1", "R2"),
    ]


def test_static_maps_follow_the_configuration_and_never_expire() -> None:
    lab = Lab(2)
    lab.configure(spoke_interface(2, map={HUB: HUB_NBMA, R3: nbma(3)}))
    assert lab.way(2, R3) == nbma(3)
    lab.run(100_000)
    static = entry(lab.spokes[2], R3, lab.now)
    assert static is not None and (static.kind, static.expires_at, static.up) == ("static", None, True)
    lab.spokes[2].clear(None, None, lab.now)
    assert lab.way(2, R3) == nbma(3)
    lab.configure(spoke_interface(2))
    assert lab.way(2, R3) is None


def test_clear_sessions_of_one_peer() -> None:
    lab = Lab(2, 3, 4)
    for target in (R3, R4):
        lab.asks(2, target)
    lab.run(1)
    lab.frames()
    lab.spokes[2].clear_sessions(Sessions(nbma=nbma(3)), lab.now)
    assert (lab.way(2, R3), lab.way(2, R4)) == (None, nbma(4))
    lab.spokes[2].clear_sessions(Sessions(static=True), lab.now)
    lab.collect()
    assert lab.way(2, R4) is None
    assert PacketType.REGISTRATION_REQUEST in [frame.packet.type for frame in lab.frames()]


@pytest.mark.parametrize(
    ("sessions", "left"),
    [
        (Sessions(), []),
        (Sessions(nbma=nbma(3)), [R4]),
        (Sessions(inside=R4), [R3]),
        (Sessions(nbma=nbma(3), inside=R4), [R3, R4]),
        (Sessions(interface="Tunnel1"), [R3, R4]),
        (Sessions(interface="Tunnel0", inside=R3), [R4]),
    ],
)
def test_which_sessions_are_cleared(sessions: Sessions, left: list[IPv4Address]) -> None:
    lab = Lab(2, 3, 4)
    for target in (R3, R4):
        lab.asks(2, target)
    lab.run(1)
    lab.frames()
    lab.spokes[2].clear_sessions(sessions, lab.now)
    lab.collect()
    assert [target for target in (R3, R4) if lab.way(2, target) is not None] == left
    kinds = [frame.packet.type for frame in lab.frames()]
    assert PacketType.REGISTRATION_REQUEST not in kinds, "the session with the server is a static one"


def test_no_record_leaves_the_transit_records_out() -> None:
    lab = Lab(2, 4, record=False)
    lab.asks(2, R4)
    lab.run(1)
    frames = lab.frames()
    assert [[item.type for item in frame.packet.extensions or ()] for frame in frames] == [[3, 9]] * 4
    assert lab.way(2, R4) == nbma(4)


def test_the_responder_address_is_the_configured_one() -> None:
    lab = Lab(2, 4, responder=ip("10.4.4.4"))
    lab.asks(2, R4)
    lab.run(1)
    (cie,) = extension(lab.frames(REPLY)[0].packet, ExtensionType.RESPONDER).cies
    assert (cie.protocol, cie.nbma) == (ip("10.4.4.4"), nbma(4))


def test_traffic_indications_are_counted_whatever_their_destination_says() -> None:
    lab = Lab(2)
    indication = nhrp_frames("the-tcpdump-group__tcpdump/nhrp-trace.pcap")[0]
    lab.spokes[2].receive(Datagram("Tunnel0", HUB_NBMA, nbma(2), indication.payload), lab.now)
    traffic = lab.spokes[2].state(lab.now).interfaces["Tunnel0"].traffic
    assert traffic.received["Traffic Indication"] == 1
    assert lab.spokes[2].datagrams() == []


def test_frr_spokes_register_and_resolve_at_our_hub() -> None:
    """The spokes' own packets of the capture, handed to our hub."""
    hub = NhrpEngine(random.Random(1))
    hub.configure(NhrpConfig({"Tunnel0": hub_interface()}), 0.0)
    now = 0.0
    sent: list[Datagram] = []
    for frame in nhrp_frames("frr-nhrp-hub-key1.pcap"):
        if frame.destination == HUB_NBMA:
            now += 0.01
            hub.receive(Datagram("Tunnel0", frame.source, HUB_NBMA, frame.payload), now)
            sent += hub.datagrams()
    kinds = [decode(datagram.payload).type for datagram in sent]
    assert PacketType.REGISTRATION_REPLY in kinds
    assert PacketType.ERROR_INDICATION not in kinds
    known = entry(hub, R2, now)
    assert known is not None and known.flags == ("registered",)  # FRR's spokes said no-unique
