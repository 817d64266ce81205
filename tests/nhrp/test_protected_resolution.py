"""Spoke to spoke over SAs: data goes by the hub until the direct SA is there, and again when it goes; none is lost."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iosish.config.model import Nhs
from iosish.engine import Datagram
from iosish.nhrp import constants as c
from iosish.nhrp.cie import Cie
from iosish.nhrp.extensions import ExtensionType, of_cies
from iosish.nhrp.packet import Packet, PacketType, decode
from tests.nhrp.link import HUB, HUB_NBMA, entry, ip, nbma, tunnel_address
from tests.nhrp.secure_link import SecureLink

R2, R3, R4 = tunnel_address(2), tunnel_address(3), tunnel_address(4)
REQUEST, REPLY = PacketType.RESOLUTION_REQUEST, PacketType.RESOLUTION_REPLY
BY_HUB = {number: [HUB_NBMA, nbma(number)] for number in (2, 3, 4)}


class SecureLab(SecureLink):
    """R1 and some spokes, registered over their SAs, with the log emptied."""

    def __init__(self, *spokes: int, **spoke: Any) -> None:
        super().__init__()
        self.station(1)
        for number in spokes:
            self.station(number, **spoke)
        self.run(5)
        self.frames()
        for number in (1, *spokes):
            self.events(number)

    def pings(self, pairs: dict[int, IPv4Address], seconds: float, every_s: float = 0.01) -> list[int]:
        """Ping all the time, in both directions as it were; how many NBMA hops each packet took. None may be lost."""
        hops = []
        end = self.now + seconds
        while self.now < end:
            for source, target in pairs.items():
                passed = self.ping(source, target)
                assert passed is not None, f"R{source} lost a packet to {target} at {self.now}"
                hops.append(len(passed))
            self.run(every_s)
        return hops

    def never(self, *numbers: int) -> None:
        """The first of these cannot reach any of the others by IKE."""
        denied = {(nbma(numbers[0]), nbma(other)) for other in numbers[1:]}
        before = self.grants
        self.grants = lambda initiator, responder: (initiator, responder) not in denied and before(initiator, responder)


def test_the_reply_waits_for_the_sa_and_no_packet_is_lost_in_the_switch() -> None:
    lab = SecureLab(2, 4)
    began = lab.now
    hops = lab.pings({2: R4, 4: R2}, 2)
    assert (hops[0], hops[-2:]) == (2, [1, 1])
    assert sorted(hops, reverse=True) == hops  # once direct, always direct
    assert lab.homeless == []
    frames = lab.frames(REQUEST, REPLY)
    # R4's own packets make it ask as well; its question is answered over the same SA.
    assert [frame.summary for frame in frames] == [
        ("R2", "R1", "resolution request"),
        ("R4", "R1", "resolution request"),
        ("R1", "R4", "resolution request"),
        ("R1", "R2", "resolution request"),
        ("R4", "R2", "resolution reply"),
        ("R2", "R4", "resolution reply"),
    ]
    assert frames[4].at - began == pytest.approx(0.02 + lab.setup_s, abs=0.02)
    for number, target, peer in ((2, R4, nbma(4)), (4, R2, nbma(2))):
        known = entry(lab.engines[nbma(number)], target, lab.now)
        assert known is not None
        assert (known.kind, known.nbma, known.up, known.secured) == ("dynamic", peer, True, True)
        assert lab.wanted(number) == {HUB_NBMA, peer}


def test_one_way_data_asks_once_and_the_answering_spoke_goes_direct_too() -> None:
    lab = SecureLab(2, 4)
    lab.pings({2: R4}, 1)
    assert [frame.summary for frame in lab.frames(REQUEST, REPLY)] == [
        ("R2", "R1", "resolution request"),
        ("R1", "R4", "resolution request"),
        ("R4", "R2", "resolution reply"),
    ]
    assert lab.ping(4, R2) == [nbma(2)]
    implicit = entry(lab.engines[nbma(4)], R2, lab.now)
    assert implicit is not None and implicit.flags == ("router", "implicit")


def test_while_the_sa_is_made_the_entry_shows_it() -> None:
    lab = SecureLab(2, 4)
    lab.setup_s = 3.0
    lab.ping(2, R4)
    lab.run(1)
    implicit = entry(lab.engines[nbma(4)], R2, lab.now)
    assert implicit is not None
    assert (implicit.kind, implicit.nbma, implicit.up, implicit.secured) == ("dynamic", nbma(2), False, False)
    assert implicit.changed_at is None
    assert lab.ping(4, R2) == BY_HUB[2]
    lab.run(4)
    implicit = entry(lab.engines[nbma(4)], R2, lab.now)
    assert implicit is not None and (implicit.up, implicit.secured) == (True, True)
    assert implicit.changed_at == pytest.approx(lab.now - 2, abs=0.1)


def test_a_reply_over_an_sa_that_the_requester_was_not_told_of_yet() -> None:
    lab = SecureLab(2, 4)
    lab.responder_lag_s = 0.5
    hops = lab.pings({2: R4, 4: R2}, 2)
    assert hops[-2:] == [1, 1] and lab.homeless == []


def test_a_requester_that_cannot_be_reached_gets_its_reply_by_the_hub() -> None:
    lab = SecureLab(2, 4)
    lab.never(4, 2)
    asked_at = lab.now
    hops = lab.pings({2: R4}, 6)
    assert hops[-1] == 1
    replies = lab.frames(REPLY)
    assert [frame.summary[:2] for frame in replies] == [("R4", "R1"), ("R1", "R2")]
    assert replies[0].at - asked_at == pytest.approx(c.REPLY_HELD_S, abs=0.1)
    assert lab.ping(4, R2) == [nbma(2)]  # the SA is R2's, and serves both


def test_without_any_direct_sa_data_goes_by_the_hub_for_ever() -> None:
    lab = SecureLab(2, 4)
    lab.never(4, 2)
    lab.never(2, 4)
    assert set(lab.pings({2: R4, 4: R2}, 400, every_s=0.5)) == {2}
    assert lab.homeless == []
    # It is tried again and again, though seldom.
    assert len([frame for frame in lab.frames(REQUEST) if frame.destination == HUB_NBMA]) < 60
    # Nobody sends any more: nobody is wanted any more.
    lab.run(c.SA_AWAITED_S + c.INCOMPLETE_S)
    assert lab.wanted(2) == lab.wanted(4) == {HUB_NBMA}


def test_data_falls_back_to_the_hub_at_once_when_the_direct_sa_goes() -> None:
    lab = SecureLab(2, 4)
    lab.pings({2: R4, 4: R2}, 1)
    lab.setup_s = 2.0
    lab.tear(nbma(2), nbma(4))
    for source, target in ((2, R4), (4, R2)):
        gone = entry(lab.engines[nbma(source)], target, lab.now)
        assert gone is not None and (gone.kind, gone.up, gone.secured) == ("dynamic", False, False)
    hops = lab.pings({2: R4, 4: R2}, 5)
    assert (hops[0], hops[-1]) == (2, 1)
    assert lab.homeless == []


def test_an_entry_whose_sa_does_not_come_back_ends_and_takes_the_wish_along() -> None:
    lab = SecureLab(2, 4)
    lab.pings({2: R4, 4: R2}, 1)
    lab.never(2, 4)
    lab.never(4, 2)
    lab.tear(nbma(2), nbma(4))
    lab.run(c.SA_LOST_S - 1)
    assert lab.wanted(2) == {HUB_NBMA, nbma(4)}
    lab.run(2)
    for number, target in ((2, R4), (4, R2)):
        assert entry(lab.engines[nbma(number)], target, lab.now) is None
        assert lab.wanted(number) == {HUB_NBMA}
    # What can be reached again is asked for again.
    lab.grants = lambda initiator, responder: True
    hops = lab.pings({2: R4, 4: R2}, 1)
    assert (hops[0], hops[-1]) == (2, 1)


def test_an_unused_entry_lapses_and_its_sa_goes() -> None:
    lab = SecureLab(2, 4, holdtime_s=60)
    lab.pings({2: R4}, 1)
    assert (nbma(2), nbma(4)) in lab.sas
    lab.run(90)
    assert (nbma(2), nbma(4)) not in lab.sas
    assert lab.wanted(2) == lab.wanted(4) == {HUB_NBMA}
    assert (nbma(2), HUB_NBMA) in lab.sas


def test_clear_ip_nhrp_on_a_spoke_loses_no_packet() -> None:
    lab = SecureLab(2, 4)
    lab.pings({2: R4, 4: R2}, 1)
    lab.engines[nbma(2)].clear(None, None, lab.now)
    lab.collect()
    hops = lab.pings({2: R4, 4: R2}, 5)
    assert hops[-2:] == [1, 1]


def test_a_repeated_request_takes_the_place_of_the_one_that_waits() -> None:
    lab = SecureLab(2, 4)
    lab.setup_s = 3.0  # longer than the first repetition takes, shorter than the reply waits
    lab.ping(2, R4)
    lab.run(5)
    frames = lab.frames(REQUEST, REPLY)
    assert [frame.summary[:2] for frame in frames] == [("R2", "R1"), ("R1", "R4")] * 2 + [("R4", "R2")]


def request_of(lab: SecureLab) -> Packet:
    """R2's request for R4, as R4 gets it."""
    lab.ping(2, R4)
    lab.run(0.1)
    return lab.frames(REQUEST)[-1].packet


def test_replies_that_wait_are_bounded_and_the_rest_goes_by_the_hub() -> None:
    lab = SecureLab(2, 4)
    lab.never(4, 2)
    request = request_of(lab)  # it waits already
    spoke = lab.engines[nbma(4)]
    requests, of_one_peer = 400, 64
    for number in range(requests):
        peer = ip("10.0.0.1") if number < of_one_peer else ip("10.0.1.0") + number
        forged = replace(request, source=ip("192.168.8.0") + number, source_nbma=peer)
        spoke.receive(Datagram("Tunnel0", HUB_NBMA, nbma(4), forged.encode(), protected=True), lab.now)
    sent = spoke.datagrams()
    assert {datagram.peer for datagram in sent} == {HUB_NBMA}
    assert requests + 1 - len(sent) == c.MAX_HELD_REPLIES
    targets = [decode(datagram.payload).source for datagram in sent]
    assert targets[: of_one_peer - 16] == [ip("192.168.8.0") + number for number in range(16, of_one_peer)]
    # IKE gets no more to do than a few hundred peers, whether they are learnt or only wait for an answer.
    assert c.MAX_AWAITED <= len(lab.wanted(4)) <= 1 + c.MAX_AWAITED + c.MAX_HELD_REPLIES
    # All of them are answered in the end.
    lab.run(c.REPLY_HELD_S + 0.5)
    replies = [frame for frame in lab.frames(REPLY) if frame.source == nbma(4)]
    assert len(replies) == c.MAX_HELD_REPLIES
    assert {frame.destination for frame in replies} == {HUB_NBMA}


def test_a_scan_by_made_up_requesters_makes_bounded_work_and_ends() -> None:
    lab = SecureLab(2, 4)
    lab.never(4, 2)
    request = request_of(lab)
    lab.remove(nbma(2))
    spoke = lab.engines[nbma(4)]
    for number in range(4000):
        peer = ip("10.0.0.1") + number
        forged = replace(request, source=ip("192.168.8.0") + number, source_nbma=peer)
        spoke.receive(Datagram("Tunnel0", HUB_NBMA, nbma(4), forged.encode(), protected=True), lab.now)
        lab.now += 0.01
    lab.collect()
    lab.run(1)
    assert len(lab.wanted(4)) <= 1 + c.MAX_AWAITED + c.MAX_HELD_REPLIES
    lab.run(c.SA_AWAITED_S + c.REPLY_HELD_S)
    assert lab.wanted(4) == {HUB_NBMA}


def test_nobody_is_reached_at_our_own_address() -> None:
    lab = SecureLab(2, 4)
    lab.never(4, 2)
    request = request_of(lab)
    spoke = lab.engines[nbma(4)]
    forged = replace(request, source=R3, source_nbma=nbma(4))
    spoke.receive(Datagram("Tunnel0", HUB_NBMA, nbma(4), forged.encode(), protected=True), lab.now)
    assert entry(spoke, R3, lab.now) is None
    assert nbma(4) not in lab.wanted(4)


def test_a_requester_that_moved_is_learnt_when_its_old_place_has_lost_its_sa() -> None:
    lab = SecureLab(2, 4)
    lab.pings({2: R4, 4: R2}, 1)
    request = request_of(SecureLab(2, 4))
    moved = replace(request, source_nbma=nbma(7))
    spoke = lab.engines[nbma(4)]
    ways = []
    for secured in (True, False):
        spoke.secured("Tunnel0", nbma(2), secured, lab.now)
        spoke.receive(Datagram("Tunnel0", HUB_NBMA, nbma(4), moved.encode(), protected=True), lab.now)
        spoke.secured("Tunnel0", nbma(7), True, lab.now)
        ways.append(spoke.forwarding()["Tunnel0"].neighbours[R2])
    assert ways == [nbma(2), nbma(7)]


def test_a_question_waits_for_the_servers_sa() -> None:
    lab = SecureLab(2, 4)
    lab.never(1, 2)
    before = lab.grants
    lab.never(2, 1)
    lab.tear(nbma(2), HUB_NBMA)
    assert lab.ping(2, R4) is None
    lab.run(100)
    assert (lab.frames(REQUEST), lab.homeless) == ([], [])
    lab.grants = before
    lab.run(5)
    assert lab.ping(2, R4) == [nbma(4)]


def test_data_of_peers_without_an_sa_follows_the_server_that_answers() -> None:
    lab = SecureLink()
    second = ip("192.168.0.11")
    lab.station(1)
    other = replace(lab.configs[HUB_NBMA], address=IPv4Interface("192.168.0.11/24"), nbma=nbma(11))
    lab.add(other)
    servers = (Nhs(HUB), Nhs(second, nbma(11)))
    for number in (2, 4):
        lab.station(number, nhs=servers)
    lab.run(5)
    lab.grants = lambda initiator, responder: {HUB_NBMA, nbma(11)} & {initiator, responder} != set()
    lab.ping(2, R4)
    lab.run(1)
    assert lab.ping(4, R2) == BY_HUB[2]
    lab.grants = lambda initiator, responder: nbma(11) in (initiator, responder)
    lab.tear(nbma(4), HUB_NBMA)
    assert lab.ping(4, R2) == [nbma(11), nbma(2)]


def test_a_requester_behind_nat_is_wanted_under_its_public_address() -> None:
    lab = SecureLab(2, 4)
    public = ip("203.0.113.7")
    lab.never(4, 2)
    request = request_of(lab)
    spoke = lab.engines[nbma(4)]
    record = of_cies(ExtensionType.NAT, (Cie(prefix=32, nbma=public, protocol=R3),))
    extensions = tuple(record if item.type == ExtensionType.NAT else item for item in request.extensions or ())
    translated = replace(request, source=R3, source_nbma=nbma(3), extensions=extensions)
    spoke.receive(Datagram("Tunnel0", HUB_NBMA, nbma(4), translated.encode(), protected=True), lab.now)
    assert public in lab.wanted(4) and nbma(3) not in lab.wanted(4)
    spoke.secured("Tunnel0", public, True, lab.now)
    (reply,) = spoke.datagrams()
    assert reply.peer == public
    assert spoke.forwarding()["Tunnel0"].neighbours[R3] == public


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_no_packet_is_lost_whatever_happens_to_the_direct_sas(seed: int) -> None:
    chance = random.Random(seed)
    lab = SecureLab(2, 3, 4, holdtime_s=chance.choice((12, 60, 7200)))
    pairs = [(one, other) for one in (2, 3, 4) for other in (2, 3, 4) if one != other]
    denied: set[tuple[IPv4Address, IPv4Address]] = set()
    lab.grants = lambda initiator, responder: (initiator, responder) not in denied
    for _ in range(60):
        one, other = chance.choice(pairs)
        match chance.randrange(6):
            case 0:
                lab.tear(nbma(one), nbma(other))
            case 1:
                denied ^= {(nbma(one), nbma(other))}
            case 2:
                lab.engines[nbma(one)].clear(None, tunnel_address(other), lab.now)
            case 3:
                lab.setup_s = chance.uniform(0.05, 6)
                lab.responder_lag_s = chance.uniform(0, 0.5)
            case _:
                pass
        lab.collect()
        source, target = chance.choice(pairs)
        assert lab.ping(source, tunnel_address(target)) is not None
        lab.run(chance.choice((0.0, 0.01, 0.3, 3, 20)))
        # Who is known has an SA or data that goes by the hub; who is not known is not wanted.
        for number in (2, 3, 4):
            engine = lab.engines[nbma(number)]
            for target_address, way in engine.forwarding()["Tunnel0"].neighbours.items():
                assert way == HUB_NBMA or (nbma(number), way) in lab.sas, target_address
    denied.clear()
    lab.setup_s = 0.1
    lab.run(c.INCOMPLETE_S + 70)
    for source, target in pairs:
        lab.ping(source, tunnel_address(target))
    lab.run(2)
    for source, target in pairs:
        assert lab.ping(source, tunnel_address(target)) == [nbma(target)]
