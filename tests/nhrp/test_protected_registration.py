"""Registration over SAs that come late, never, or go: a spoke waits for them and loses no time once they are there."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from iosish.engine import Datagram, Event
from iosish.nhrp.config import NhrpConfig, Sessions
from iosish.nhrp.events import PeerDead, SessionCleared
from iosish.nhrp.packet import PacketType
from tests.nhrp.link import HUB, HUB_NBMA, Link, entry, hub_interface, ip, lines, nbma, spoke_interface, tunnel_address
from tests.nhrp.secure_link import SecureLink

REQUEST, REPLY = PacketType.REGISTRATION_REQUEST, PacketType.REGISTRATION_REPLY
R2 = tunnel_address(2)


def dead(events: list[Event]) -> list[PeerDead]:
    return [event for event in events if isinstance(event, PeerDead)]


def test_registration_waits_for_the_sa_and_follows_it_at_once() -> None:
    link = SecureLink(setup_s=300)
    hub = link.station(1)
    spoke = link.station(2)
    assert link.wanted(2) == {HUB_NBMA}
    assert link.wanted(1) == set()
    link.run(299.9)
    assert (link.log, link.homeless, link.events(2)) == ([], [], [])
    (nhs,) = spoke.state(link.now).interfaces["Tunnel0"].nhs
    assert (nhs.status, nhs.requests_sent, nhs.requests_failed, nhs.pending) == ("E", 0, 0, False)
    static = entry(spoke, HUB, link.now)
    assert static is not None and (static.secured, static.up, static.changed_at) == (False, False, None)

    link.run(2)
    frames = link.frames()
    assert [frame.summary for frame in frames] == [
        ("R2", "R1", "registration request"),
        ("R1", "R2", "registration reply"),
        ("R2", "R1", "registration request"),
        ("R1", "R2", "registration reply"),
    ]
    assert [frame.at - frames[0].at for frame in frames[::2]] == pytest.approx([0.0, 1.0])
    assert frames[0].at == pytest.approx(1300.0)
    assert frames[0].exchange.request_id == 1
    assert link.homeless == []
    assert lines(link.events(2)) == [
        "%DMVPN-5-NHRP_NHS_UP: Tunnel0: Next Hop Server : (Tunnel: 192.168.0.1 NBMA: 172.16.15.2) for "
        "(Tunnel: 192.168.0.2 NBMA: 172.16.25.2) is  UP"
    ]
    known = entry(hub, R2, link.now)
    assert known is not None and (known.secured, known.up) == (True, True)
    # The hub keeps the SA of its client as long as it knows it.
    assert link.wanted(1) == {nbma(2)}


def test_without_an_sa_nothing_happens_for_ever() -> None:
    link = SecureLink()
    link.grants = lambda initiator, responder: False
    link.station(1)
    spoke = link.station(2)
    link.run(100_000)
    assert (link.log, link.homeless, link.events(2)) == ([], [], [])
    assert spoke.next_wake() is None


def test_a_server_whose_sa_goes_is_down_and_registered_with_as_soon_as_it_is_back() -> None:
    link = SecureLink()
    hub = link.station(1)
    spoke = link.station(2)
    link.run(5)
    link.events(2)
    link.frames()
    link.grants = lambda initiator, responder: False
    link.tear(nbma(2), HUB_NBMA)
    assert lines(link.events(2)) == [
        "%DMVPN-5-NHRP_NHS_DOWN: Tunnel0: Next Hop Server : (Tunnel: 192.168.0.1 NBMA: 172.16.15.2 ) for "
        "(Tunnel: 192.168.0.2 NBMA: 172.16.25.2) is DOWN, Reason: External(NHRP: no error)"
    ]
    static = entry(spoke, HUB, link.now)
    assert static is not None and (static.kind, static.up, static.secured) == ("static", False, False)
    assert static.changed_at == link.now
    assert spoke.forwarding()["Tunnel0"].neighbours == {HUB: HUB_NBMA}
    link.run(60)
    assert (link.log, link.homeless) == ([], [])
    # The hub has forgotten its client by now, as IOS does when the crypto socket of a dynamic entry closes.
    assert entry(hub, R2, link.now) is None
    assert lines(link.events(1))[-1].endswith("is DOWN, Reason: External(NHRP: no error)")
    assert link.wanted(1) == set()
    assert link.wanted(2) == {HUB_NBMA}

    link.grants = lambda initiator, responder: True
    link.run(1.5)
    assert [frame.summary for frame in link.frames()[:2]] == [
        ("R2", "R1", "registration request"),
        ("R1", "R2", "registration reply"),
    ]
    assert entry(hub, R2, link.now) is not None
    assert "is  UP" in lines(link.events(2))[0]


def test_an_sa_that_is_back_in_time_costs_no_client() -> None:
    link = SecureLink(setup_s=5)
    hub = link.station(1)
    link.station(2)
    link.run(10)
    link.events(1)
    link.tear(nbma(2), HUB_NBMA)
    down = entry(hub, R2, link.now)
    assert down is not None and (down.up, down.secured, down.changed_at) == (False, False, link.now)
    assert hub.forwarding()["Tunnel0"].neighbours == {R2: nbma(2)}
    link.run(30)
    assert lines(link.events(1)) == []
    up = entry(hub, R2, link.now)
    assert up is not None and (up.up, up.secured) == (True, True)


def test_a_unique_address_may_move_when_its_old_place_has_lost_its_sa() -> None:
    link = SecureLink()
    hub = link.station(1)
    link.station(2)
    link.run(5)
    # As long as the old SA stands, somebody else with the address is refused.
    link.station(7, address=IPv4Interface("192.168.0.2/24"))
    link.run(1)
    known = entry(hub, R2, link.now)
    assert known is not None and (known.nbma, known.flags) == (nbma(2), ("unique", "registered"))
    # R2 was moved to the other uplink; its old address is gone without a word, and DPD finds out.
    link.remove(nbma(2))
    link.sas.discard((HUB_NBMA, nbma(2)))
    hub.secured("Tunnel0", nbma(2), False, link.now)
    link.run(3)
    known = entry(hub, R2, link.now)
    assert known is not None and known.nbma == nbma(7)
    assert link.wanted(1) == {nbma(7)}


def test_a_silent_server_costs_its_sa_once_and_then_once_a_minute() -> None:
    link = SecureLink()
    link.station(1)
    link.station(2, registration_timeout_s=5)
    link.run(10)
    link.events(2)
    silent_at = link.now
    link.lost = lambda sent: True
    link.run(20)
    events = link.events(2)
    assert dead(events) == [PeerDead("Tunnel0", HUB_NBMA)]
    # Down for its silence; the SA is made anew, and the new one is as silent.
    assert [line.partition("is DOWN, ")[2] for line in lines(events)] == [
        "Reason: NHRP Registration Failure(NHRP: no error)"
    ]
    assert link.now - silent_at < 21
    link.frames()
    link.run(300)
    assert 4 <= len(dead(link.events(2))) <= 5
    assert link.frames(REQUEST)  # it is asked all the time
    link.lost = lambda sent: False
    link.run(5.5)
    assert "is  UP" in lines(link.events(2))[0]
    # The next outage is a new one.
    link.lost = lambda sent: True
    link.run(20)
    assert len(dead(link.events(2))) == 1


def test_a_server_that_was_restarted_is_registered_with_over_a_new_sa() -> None:
    link = SecureLink()
    link.station(1)
    link.station(2, registration_timeout_s=5)
    link.run(10)
    link.remove(HUB_NBMA)
    link.run(1)
    hub = link.station(1)  # it knows nothing of the SA that R2 still has
    link.run(21)
    assert entry(hub, R2, link.now) is not None


def test_all_clients_are_back_after_a_hub_restart_whatever_state_their_sas_were_in() -> None:
    link = SecureLink()
    link.station(1)
    spokes = (2, 3, 4, 5, 6)
    for number in spokes:
        link.station(number, registration_timeout_s=5)
    link.run(10)
    link.remove(HUB_NBMA)
    for number in spokes[:2]:
        link.tear(nbma(number), HUB_NBMA)  # DPD found out
    link.run(30)  # the silence of their server made the others give up theirs
    assert not any(HUB_NBMA in pair for pair in link.sas)
    hub = link.station(1)
    link.run(2)
    for number in spokes:
        known = entry(hub, tunnel_address(number), link.now)
        assert known is not None and known.nbma == nbma(number)
    assert link.wanted(1) == {nbma(number) for number in spokes}


def test_a_server_that_complains_or_refuses_is_not_dead() -> None:
    for hub, spoke in (
        ({"authentication": b"right"}, {"authentication": b"wrong"}),
        ({"map": {R2: nbma(9)}}, {}),
    ):
        link = SecureLink()
        link.station(1, **hub)
        link.station(2, **spoke)
        link.run(300)
        assert dead(link.events(2)) == []
        assert link.frames(REQUEST)


def test_a_server_that_complained_once_and_is_silent_since_is_dead() -> None:
    """It complained about a password, and was restarted with the right one, without its half of the SA."""
    link = SecureLink()
    link.station(1, authentication=b"wrong")
    link.station(2, authentication=b"right", registration_timeout_s=5)
    link.run(30)
    assert dead(link.events(2)) == []
    link.remove(HUB_NBMA)
    hub = link.station(1, authentication=b"right")
    link.run(70)
    assert entry(hub, R2, link.now) is not None


def test_the_hub_takes_what_came_by_an_sa_before_it_is_told_of_it() -> None:
    link = SecureLink()
    link.responder_lag_s = 3.0
    hub = link.station(1)
    link.station(2)
    link.run(0.5)
    known = entry(hub, R2, link.now)
    assert known is not None and known.nbma == nbma(2)
    assert [frame.summary for frame in link.frames()] == [
        ("R2", "R1", "registration request"),
        ("R1", "R2", "registration reply"),
    ]
    assert lines(link.events(1)) == []
    link.run(100)
    assert entry(hub, R2, link.now) is not None
    # IOS says that a client is up after it said so of the crypto socket.
    assert lines(link.events(1)) == [
        "%DMVPN-5-NHRP_NHC_UP: Tunnel0: Next Hop Client : (Tunnel: 192.168.0.2 NBMA: 172.16.25.2) for "
        "(Tunnel: 192.168.0.1 NBMA: 172.16.15.2) is UP"
    ]


def test_a_client_that_never_had_an_sa_is_called_neither_up_nor_down() -> None:
    link = SecureLink()
    link.responder_lag_s = 1000.0
    hub = link.station(1)
    link.station(2)
    link.run(0.5)
    assert entry(hub, R2, link.now) is not None
    link.remove(nbma(2))
    link.run(100)
    assert entry(hub, R2, link.now) is None
    assert lines(link.events(1)) == []


def test_of_what_comes_by_an_sa_that_has_ended_only_a_purge_is_obeyed() -> None:
    link = SecureLink()
    hub = link.station(1)
    link.station(2)
    link.run(5)
    registration = link.frames(REQUEST)[-1].packet
    link.lost = lambda sent: True
    link.configure(replace(link.configs[nbma(2)], up=False))
    (purge,) = (frame.packet for frame in link.frames(PacketType.PURGE_REQUEST))
    assert entry(hub, R2, link.now) is not None
    for packet in (purge, registration):  # what was under way when the hub ended the SA
        hub.receive(Datagram("Tunnel0", nbma(2), HUB_NBMA, packet.encode(), protected=True, late=True), link.now)
        assert entry(hub, R2, link.now) is None
    assert link.wanted(1) == frozenset()  # nobody whom it would have to ask for an SA
    assert hub.datagrams() == []
    assert hub.state(link.now).interfaces["Tunnel0"].traffic.refused == {"its SA has ended": 1}


def test_clear_text_is_refused_on_a_protected_tunnel() -> None:
    clear = Link()
    clear.add(hub_interface())
    clear.add(spoke_interface(2))
    request = clear.log[0].packet
    link = SecureLink()
    hub = link.station(1)
    for peer, protected, known in ((nbma(2), False, False), (nbma(2), True, True)):
        hub.receive(Datagram("Tunnel0", peer, HUB_NBMA, request.encode(), protected), link.now)
        assert (entry(hub, R2, link.now) is not None) is known
    traffic = hub.state(link.now).interfaces["Tunnel0"].traffic
    assert traffic.refused == {"clear text on a protected tunnel": 1}
    assert traffic.received == {"Registration Request": 1}
    assert [datagram.protected for datagram in hub.datagrams()] == [True]


def test_who_needs_an_sa_is_known_at_any_moment() -> None:
    link = SecureLink()
    hub = link.station(1)
    spoke = link.station(2, map={HUB: HUB_NBMA, tunnel_address(9): nbma(9)}, multicast=(HUB_NBMA, ip("172.16.99.2")))
    assert link.wanted(2) == {HUB_NBMA, nbma(9), ip("172.16.99.2")}
    link.station(3, holdtime_s=30)
    link.run(10)
    assert link.wanted(1) == {nbma(2), nbma(3)}
    # Unchanged values are the same objects, whatever comes in meanwhile.
    before, peers = hub.wanted(), link.wanted(1)
    link.run(9)
    assert len(link.frames(REQUEST)) > 2
    assert hub.wanted() is before and link.wanted(1) is peers
    # An entry that ends leaves; so does all when the tunnel goes down or is not protected any more.
    link.remove(nbma(3))
    link.run(31)
    assert link.wanted(1) == {nbma(2)}
    shut = replace(link.configs[nbma(2)], up=False)
    link.configure(shut)
    assert spoke.wanted() == {"Tunnel0": frozenset()}
    link.configure(replace(shut, up=True))
    assert link.wanted(2) == {HUB_NBMA, nbma(9), ip("172.16.99.2")}
    spoke.configure(None, link.now)
    assert spoke.wanted() == {}


def test_after_shutdown_the_new_sa_is_waited_for() -> None:
    link = SecureLink()
    hub = link.station(1)
    link.station(2)
    link.run(5)
    up = link.configs[nbma(2)]
    link.configure(replace(up, up=False))
    link.run(20)
    assert entry(hub, R2, link.now) is None
    link.frames()
    link.configure(up)
    assert link.log == []
    link.run(0.3)
    assert entry(hub, R2, link.now) is not None
    assert link.frames(REQUEST)[0].source == nbma(2)


def test_protection_begins_and_ends_with_its_line() -> None:
    link = SecureLink()
    hub = link.station(1)
    link.station(2)
    link.run(5)
    protected = link.configs[nbma(2)]
    spoke = link.engines[nbma(2)]
    spoke.configure(NhrpConfig({"Tunnel0": replace(protected, protected=False)}), link.now)
    assert {datagram.protected for datagram in spoke.datagrams()} == {True, False}  # leaves there, registers here
    assert spoke.wanted() == {}
    # The hub lets no clear text in, and the SA is not told of any more.
    spoke.configure(NhrpConfig({"Tunnel0": protected}), link.now)
    assert spoke.datagrams() == []  # from the line on: what was asked in the clear is not taken back in the clear
    assert spoke.wanted() == {"Tunnel0": {HUB_NBMA}}
    link.collect()
    link.tear(nbma(2), HUB_NBMA)
    link.run(1)
    assert entry(hub, R2, link.now) is not None


def test_clear_dmvpn_session_takes_the_sas_along() -> None:
    for number in (1, 2):
        link = SecureLink()
        hub = link.station(1)
        link.station(2)
        link.run(5)
        link.frames()
        for other in (1, 2):
            link.events(other)
        began = link.now
        link.engines[nbma(number)].clear_sessions(Sessions(static=True), link.now)
        link.collect()
        cleared = [event for event in link.events(number) if isinstance(event, SessionCleared)]
        assert cleared == [SessionCleared("Tunnel0", nbma(3 - number))]
        link.run(1)
        assert entry(hub, R2, link.now) is not None
        assert link.frames(REQUEST)[0].at == pytest.approx(began + link.setup_s, abs=0.02)
        assert link.homeless == []


def test_sessions_of_static_entries_are_cleared_only_if_that_is_said() -> None:
    link = SecureLink()
    link.station(1)
    link.station(2)
    link.run(5)
    hub, spoke = link.engines[nbma(1)], link.engines[nbma(2)]
    link.events(1)
    link.events(2)
    for sessions in (Sessions(), Sessions(static=True, interface="Tunnel1"), Sessions(static=True, nbma=nbma(2))):
        spoke.clear_sessions(sessions, link.now)
        assert link.events(2) == []
    for sessions in (Sessions(nbma=nbma(1)), Sessions(interface="Tunnel1")):
        hub.clear_sessions(sessions, link.now)
        assert link.events(1) == []
    hub.clear_sessions(Sessions(inside=R2), link.now)
    assert SessionCleared("Tunnel0", nbma(2)) in link.events(1)


def test_clear_ip_nhrp_on_the_hub_ends_in_a_new_registration() -> None:
    link = SecureLink()
    hub = link.station(1)
    link.station(2)
    link.run(5)
    hub.clear(None, None, link.now)
    assert (entry(hub, R2, link.now), link.wanted(1)) == (None, frozenset())
    link.collect()
    link.run(1)
    assert entry(hub, R2, link.now) is not None
    assert link.wanted(1) == {nbma(2)}


def test_a_thousand_clients_whose_sas_all_go_and_come() -> None:
    link = Link()
    hub = link.add(hub_interface(protected=True))
    clear = Link()
    clear.add(spoke_interface(2))
    template = clear.log[0].packet
    clients = {ip("10.1.0.1") + number: ip("192.168.4.1") + number for number in range(1000)}

    def register() -> None:
        for peer, address in clients.items():
            hub.secured("Tunnel0", peer, True, link.now)
            request = replace(template, source=address, source_nbma=peer)
            hub.receive(Datagram("Tunnel0", peer, HUB_NBMA, request.encode(), protected=True), link.now)
            assert peer in hub.wanted()["Tunnel0"]

    register()
    assert hub.wanted()["Tunnel0"] == set(clients)
    assert len(hub.datagrams()) == 1000
    before = hub.wanted()
    register()  # a refresh: nobody new
    assert hub.wanted() is before
    for peer in clients:
        hub.secured("Tunnel0", peer, False, link.now)
    assert hub.wanted() is before
    for peer in list(clients)[:500]:
        hub.secured("Tunnel0", peer, True, link.now)
    link.run(11)
    assert hub.wanted()["Tunnel0"] == set(list(clients)[:500])
    assert len(hub.forwarding()["Tunnel0"].multicast) == 500
