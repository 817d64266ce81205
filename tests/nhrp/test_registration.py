"""Registration, message by message: spokes and their hub, retries, refusals, NAT, changes of configuration."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface
from itertools import pairwise

import pytest

from iosish.config.model import Nhs
from iosish.engine import Datagram
from iosish.nhrp import constants as c
from iosish.nhrp.cie import Cie, Code
from iosish.nhrp.extensions import Extension, ExtensionType
from iosish.nhrp.packet import ErrorCode, Exchange, Fault, PacketType, decode
from tests.nhrp.link import (
    HUB,
    HUB_NBMA,
    Link,
    entry,
    hub_interface,
    ip,
    lines,
    nbma,
    spoke_interface,
    tunnel_address,
)
from tests.nhrp.pcap import nhrp_frames

REQUEST, REPLY = PacketType.REGISTRATION_REQUEST, PacketType.REGISTRATION_REPLY


def test_two_registrations_one_second_apart_each_answered() -> None:
    link = Link()
    hub = link.add(hub_interface())
    spoke = link.add(spoke_interface(2))
    link.run(5)

    frames = link.frames()
    assert [frame.summary for frame in frames] == [
        ("R2", "R1", "registration request"),
        ("R1", "R2", "registration reply"),
        ("R2", "R1", "registration request"),
        ("R1", "R2", "registration reply"),
    ]
    assert [frame.exchange.request_id for frame in frames] == [1, 1, 2, 2]
    assert frames[2].at - frames[0].at == pytest.approx(1.0)

    # The hub knows the spoke, and sends multicast to it.
    known = entry(hub, tunnel_address(2), link.now)
    assert known is not None
    assert (known.kind, known.flags, known.nbma, known.up) == ("dynamic", ("unique", "registered"), nbma(2), True)
    assert known.expires_at == pytest.approx(1001.01 + 7200)
    assert hub.forwarding()["Tunnel0"].neighbours == {tunnel_address(2): nbma(2)}
    assert hub.forwarding()["Tunnel0"].multicast == (nbma(2),)
    assert hub.state(link.now).interfaces["Tunnel0"].role == "Hub"

    # The spoke's static entry is up since the first reply, and its server responds.
    static = entry(spoke, HUB, link.now)
    assert static is not None
    assert (static.kind, static.flags, static.up, static.expires_at) == ("static", (), True, None)
    assert static.changed_at == pytest.approx(1000.02)
    state = spoke.state(link.now).interfaces["Tunnel0"]
    assert (state.role, state.nhs[0].status, state.nhs[0].requests_sent) == ("Spoke", "RE", 2)
    assert (state.nhs[0].request_id, state.nhs[0].acknowledged_id, state.nhs[0].pending) == (2, 2, False)
    assert lines(spoke.events()) == [
        "%DMVPN-5-NHRP_NHS_UP: Tunnel0: Next Hop Server : (Tunnel: 192.168.0.1 NBMA: 172.16.15.2) for "
        "(Tunnel: 192.168.0.2 NBMA: 172.16.25.2) is  UP"
    ]


def test_frames_equal_those_of_the_article() -> None:
    link = Link()
    link.add(hub_interface())
    link.add(spoke_interface(2))
    link.run(5)
    ours = [frame.packet for frame in link.frames()]
    captured = [decode(frame.payload) for frame in nhrp_frames("epiecs__packetlife-backup/NHRP_registration.cap")]
    # The capture has both requests before both replies; ours are a second apart.
    for mine, theirs in zip(ours, (captured[0], captured[2], captured[1], captured[3]), strict=True):
        assert isinstance(mine.body, Exchange) and isinstance(theirs.body, Exchange)
        assert replace(mine, body=replace(mine.body, request_id=theirs.body.request_id)).encode() == theirs.encode()


def test_registers_again_after_a_third_of_the_holding_time() -> None:
    link = Link()
    link.add(hub_interface())
    link.add(spoke_interface(2, holdtime_s=600))
    link.run(5)
    link.frames()
    link.run(500)
    assert [frame.at for frame in link.frames(REQUEST)] == pytest.approx([1201.0, 1401.0])


def test_registration_timeout_overrules() -> None:
    link = Link()
    link.add(hub_interface())
    link.add(spoke_interface(2, registration_timeout_s=20))
    link.run(5)
    link.frames()
    link.run(60)
    assert [frame.at for frame in link.frames(REQUEST)] == pytest.approx([1021.0, 1041.0, 1061.0])


def test_a_dead_server_is_asked_with_the_same_id_at_growing_intervals() -> None:
    link = Link()
    spoke = link.add(spoke_interface(2))
    link.run(400)
    frames = link.frames()
    # One of the first pair, then one series: all with ID 2.
    assert [frame.exchange.request_id for frame in frames] == [1] + [2] * (len(frames) - 1)
    gaps = [later.at - earlier.at for earlier, later in pairwise(frames[1:])]
    for gap, nominal in zip(gaps, (2, 4, 8, 16, 32, 64, 64), strict=False):
        assert 0.75 * nominal <= gap <= nominal * (1.1 if nominal == 64 else 1.0)
    assert spoke.state(link.now).interfaces["Tunnel0"].nhs[0].status == "E"
    assert lines(spoke.events()) == []  # it never was up


def test_the_server_is_down_after_three_unanswered_and_up_again_with_the_next_reply() -> None:
    link = Link()
    link.add(hub_interface())
    spoke = link.add(spoke_interface(2, registration_timeout_s=60))
    link.run(10)
    spoke.events()
    link.lost = lambda sent: True
    link.run(51)  # the registration of 1061 goes unanswered
    went_dark = link.now
    assert entry(spoke, HUB, link.now).up  # type: ignore[union-attr] # the static entry is always there
    link.run(14)
    (down,) = lines(spoke.events())
    assert down.endswith("is DOWN, Reason: NHRP Registration Failure(NHRP: no error)")
    static = entry(spoke, HUB, link.now)
    assert static is not None and not static.up and static.changed_at is not None
    assert 10.5 <= static.changed_at - went_dark <= 14
    link.lost = lambda sent: False
    link.run(60)
    assert lines(spoke.events())[0].startswith("%DMVPN-5-NHRP_NHS_UP: Tunnel0: Next Hop Server")


def test_a_server_that_comes_back_is_registered_with_within_the_interval() -> None:
    link = Link()
    link.add(hub_interface())
    link.add(spoke_interface(2, registration_timeout_s=5))
    link.run(10)
    link.remove(HUB_NBMA)
    link.run(300)
    hub = link.add(hub_interface())
    link.run(5.1)
    assert entry(hub, tunnel_address(2), link.now) is not None


def test_all_servers_are_registered_with_out_of_one_counter_of_ids() -> None:
    link = Link()
    second = ip("192.168.0.11")
    link.add(hub_interface())
    link.add(hub_interface(address=IPv4Interface("192.168.0.11/24"), nbma=nbma(11)))
    spoke = link.add(spoke_interface(2, nhs=(Nhs(HUB), Nhs(second, nbma(11), multicast=True))))
    link.run(5)
    frames = link.frames(REQUEST)
    assert [(frame.destination, frame.exchange.request_id) for frame in frames] == [
        (HUB_NBMA, 1),
        (nbma(11), 2),
        (HUB_NBMA, 3),
        (nbma(11), 4),
    ]
    assert [nhs.status for nhs in spoke.state(link.now).interfaces["Tunnel0"].nhs] == ["RE", "RE"]
    # `nhs A nbma B multicast` is map, map multicast and nhs in one.
    forwarding = spoke.forwarding()["Tunnel0"]
    assert forwarding.neighbours == {HUB: HUB_NBMA, second: nbma(11)}
    assert forwarding.multicast == (HUB_NBMA, nbma(11))
    assert [item.flag for item in spoke.state(link.now).interfaces["Tunnel0"].multicast] == ["static", "nhs"]


def test_an_entry_lapses_when_registrations_stop() -> None:
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(2, holdtime_s=3))
    link.run(10)
    assert entry(hub, tunnel_address(2), link.now) is not None
    version = hub.version
    link.remove(nbma(2))
    link.run(3.1)
    assert entry(hub, tunnel_address(2), link.now) is None
    assert hub.forwarding()["Tunnel0"].multicast == ()
    assert hub.version > version
    assert lines(hub.events())[-1].startswith("%DMVPN-5-NHRP_NHC_DOWN: Tunnel0: Next Hop Client : (Tunnel: 192.168.0.2")


def test_a_unique_address_stays_with_who_registered_it() -> None:
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(2))
    link.run(5)
    # Another router comes with the same tunnel address: code 14, the old entry is kept.
    link.frames()
    thief = link.add(spoke_interface(2, nbma=nbma(3)))
    link.run(0.5)
    request, reply = link.frames()
    assert request.source == nbma(3)
    assert [(cie.code, cie.holding_time_s) for cie in reply.exchange.cies] == [(Code.ALREADY_REGISTERED, 0)]
    assert lines(thief.events()) == [
        "%NHRP-3-PAKREPLY: Receive Registration Reply packet with error - unique address registered already(14)"
    ]
    assert thief.state(link.now).interfaces["Tunnel0"].nhs[0].status == "E"
    known = entry(hub, tunnel_address(2), link.now)
    assert known is not None and known.nbma == nbma(2)


def test_an_address_registered_without_unique_may_move() -> None:
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(2, unique=False))
    link.run(5)
    assert link.frames(REQUEST)[0].exchange.flags == 0x0002
    link.remove(nbma(2))
    link.add(spoke_interface(2, nbma=nbma(3), unique=False))
    link.run(1)
    known = entry(hub, tunnel_address(2), link.now)
    assert known is not None and known.nbma == nbma(3)
    assert known.flags == ("registered",)
    assert hub.forwarding()["Tunnel0"].multicast == (nbma(3),)


def test_a_statically_mapped_address_cannot_be_registered() -> None:
    link = Link()
    hub = link.add(hub_interface(map={tunnel_address(2): nbma(9)}))
    link.add(spoke_interface(2))
    link.run(0.5)
    reply = link.frames(REPLY)[0]
    assert reply.exchange.cies[0].code == Code.ADMINISTRATIVELY_PROHIBITED
    assert hub.forwarding()["Tunnel0"].neighbours == {tunnel_address(2): nbma(9)}


def test_who_asks_another_spoke_by_mistake_is_not_entered_under_its_address() -> None:
    """R2's map of the server leads to R3, which passes the request on: R2 is not where it came from."""
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(3))
    link.run(5)
    link.add(spoke_interface(2, map={HUB: nbma(3)}))
    link.run(5)
    assert entry(hub, tunnel_address(2), link.now) is None
    link.configure(spoke_interface(2))
    link.run(30)
    known = entry(hub, tunnel_address(2), link.now)
    assert known is not None and known.nbma == nbma(2)


def test_a_spoke_behind_nat_is_entered_under_its_outer_source() -> None:
    link = Link()
    public = ip("203.0.113.7")
    link.seen_as[nbma(2)] = public
    hub = link.add(hub_interface())
    spoke = link.add(spoke_interface(2))
    link.run(5)
    known = entry(hub, tunnel_address(2), link.now)
    assert known is not None and (known.nbma, known.claimed_nbma) == (public, nbma(2))
    reply = link.frames(REPLY)[0]
    assert reply.destination == public
    assert reply.packet.source_nbma == nbma(2)
    (nat,) = [item for item in reply.packet.extensions or () if item.type == ExtensionType.NAT]
    assert [(cie.nbma, cie.protocol) for cie in nat.cies] == [(HUB_NBMA, HUB), (public, tunnel_address(2))]
    assert spoke.state(link.now).interfaces["Tunnel0"].nhs[0].status == "RE"


def test_authentication_is_one_extension_that_has_to_be_right() -> None:
    link = Link()
    hub = link.add(hub_interface(authentication=b"cisco123"))
    link.add(spoke_interface(2, authentication=b"cisco123"))
    wrong = link.add(spoke_interface(3, authentication=b"wrong"))
    missing = link.add(spoke_interface(4))
    link.run(0.5)
    frames = link.frames()
    assert [frame.summary for frame in frames] == [
        ("R2", "R1", "registration request"),
        ("R3", "R1", "registration request"),
        ("R4", "R1", "registration request"),
        ("R1", "R2", "registration reply"),
        ("R1", "R3", "error indication"),
        ("R1", "R4", "error indication"),
    ]
    assert [item.type for item in frames[3].packet.extensions or ()] == [3, 4, 5, 7, 9]
    error = frames[4].packet.body
    assert isinstance(error, Fault) and error.code == ErrorCode.AUTHENTICATION_FAILURE
    assert decode(error.quoted) == frames[1].packet
    assert frames[4].packet.extensions is None
    assert set(hub.forwarding()["Tunnel0"].neighbours) == {tunnel_address(2)}
    log = lines(hub.events())
    assert any("Recieved wrong authentication string for  Registration Request" in line for line in log)
    for spoke in (wrong, missing):
        assert lines(spoke.events())[0].startswith(
            "%NHRP-3-PAKERROR: Received Error Indication from 172.16.15.2, code: authentication failure(11), "
            "(trigger src: 192.168.0."
        )
        assert spoke.state(link.now).interfaces["Tunnel0"].traffic.received == {"Error Indication": 1}


def test_a_hub_without_authentication_echoes_what_it_gets() -> None:
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(2, authentication=b"cisco123"))
    link.run(0.5)
    request, reply = link.frames()
    assert entry(hub, tunnel_address(2), link.now) is not None
    auth = [[x for x in p.packet.extensions or () if x.type == ExtensionType.AUTHENTICATION] for p in (request, reply)]
    assert auth[0] == auth[1] and len(auth[0]) == 1


@pytest.mark.parametrize(
    ("password", "request_size", "reply_size"), [(None, 92, 112), (b"OTUS", 104, 124), (b"NHRPAUTH", 108, 128)]
)
def test_reference_sizes(password: bytes | None, request_size: int, reply_size: int) -> None:
    link = Link()
    link.add(hub_interface(authentication=password))
    link.add(spoke_interface(2, authentication=password))
    link.run(0.5)
    request, reply = (frame.packet.encode() for frame in link.frames())
    assert (len(request), int.from_bytes(request[14:16], "big")) == (request_size, 52)
    assert (len(reply), int.from_bytes(reply[14:16], "big")) == (reply_size, 52)


def test_unknown_extensions_come_back_unless_they_are_compulsory() -> None:
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(2))
    datagram_source = link.log[0]
    extensions = datagram_source.packet.extensions or ()
    for compulsory in (False, True):
        strange = Extension(0x123, b"\1\2\3", compulsory=compulsory)
        packet = replace(datagram_source.packet, extensions=(strange, *extensions))
        hub.receive(Datagram("Tunnel0", nbma(2), HUB_NBMA, packet.encode()), link.now)
        (answer,) = [decode(datagram.payload) for datagram in hub.datagrams()]
        if compulsory:
            assert isinstance(answer.body, Fault) and answer.body.code == ErrorCode.UNRECOGNIZED_EXTENSION
        else:
            assert answer.extensions is not None and answer.extensions[0] == strange


def test_equal_values_change_nothing_and_changes_are_live() -> None:
    link = Link()
    hub = link.add(hub_interface())
    spoke = link.add(spoke_interface(2))
    link.run(5)
    link.frames()
    version = spoke.version
    link.configure(spoke_interface(2))
    assert (link.frames(), spoke.version) == ([], version)
    # Another holding time: the server hears of it at once.
    link.configure(spoke_interface(2, holdtime_s=300))
    assert link.frames(REQUEST)[0].exchange.cies[0].holding_time_s == 300
    link.run(5)
    # Another source: the old registration is taken back, the new one follows at once.
    engine = link.engines.pop(nbma(2))
    link.engines[nbma(7)] = engine
    link.configs[nbma(7)] = spoke_interface(2, nbma=nbma(7))
    link.frames()
    link.configure(spoke_interface(2, nbma=nbma(7)))
    link.run(0.5)
    assert [frame.summary for frame in link.frames()] == [
        ("R2", "R1", "purge request"),
        ("R7", "R1", "registration request"),
        ("R1", "R7", "registration reply"),
    ]
    known = entry(hub, tunnel_address(2), link.now)
    assert known is not None and known.nbma == nbma(7)
    # The server line goes: so does the registration.
    link.configure(spoke_interface(2, nbma=nbma(7), nhs=(), map={}))
    link.run(0.5)
    assert entry(hub, tunnel_address(2), link.now) is None
    assert spoke.state(link.now).interfaces["Tunnel0"].nhs == ()
    assert spoke.next_wake() is None


def test_shutdown_takes_the_registration_back_and_no_shutdown_registers_at_once() -> None:
    link = Link()
    hub = link.add(hub_interface())
    spoke = link.add(spoke_interface(2))
    link.run(5)
    spoke.events()
    link.configure(spoke_interface(2, up=False))
    link.run(1)
    assert entry(hub, tunnel_address(2), link.now) is None
    assert lines(spoke.events())[0].endswith("is DOWN, Reason: External(NHRP: no error)")
    link.configure(spoke_interface(2))
    link.run(0.1)
    assert entry(hub, tunnel_address(2), link.now) is not None


def test_cleared_counters_start_anew() -> None:
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(2))
    link.run(2)
    hub.clear_counters("Tunnel1")
    traffic = hub.state(link.now).interfaces["Tunnel0"].traffic
    assert sum(traffic.sent.values()) and sum(traffic.received.values())
    hub.clear_counters("Tunnel0")
    traffic = hub.state(link.now).interfaces["Tunnel0"].traffic
    assert not sum(traffic.sent.values()) and not sum(traffic.received.values())
    link.run(3600)
    assert hub.state(link.now).interfaces["Tunnel0"].traffic.received


def test_clear_ip_nhrp_on_both_ends() -> None:
    link = Link()
    hub = link.add(hub_interface())
    spoke = link.add(spoke_interface(2))
    link.run(5)
    link.frames()
    # Cleared on the hub: the spoke hears of it and is back at once, not after a third of its holding time.
    hub.clear(None, None, link.now)
    assert entry(hub, tunnel_address(2), link.now) is None
    link.collect()
    link.run(0.5)
    assert [frame.summary for frame in link.frames()] == [
        ("R1", "R2", "purge request"),
        ("R2", "R1", "registration request"),
        ("R1", "R2", "registration reply"),
    ]
    assert entry(hub, tunnel_address(2), link.now) is not None
    spoke.clear(None, None, link.now)
    link.collect()
    link.run(0.1)
    assert entry(hub, tunnel_address(2), link.now) is not None
    assert entry(spoke, HUB, link.now) is not None  # static


def test_a_flood_of_one_peer_fills_only_its_own_share() -> None:
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(2))
    link.run(5)
    template = link.frames(REQUEST)[0].packet
    attacker = ip("198.51.100.66")
    for number in range(5000):
        source = ip("10.0.0.0") + number
        forged = replace(template, source=source, source_nbma=attacker)
        hub.receive(Datagram("Tunnel0", attacker, HUB_NBMA, forged.encode()), link.now)
    state = hub.state(link.now).interfaces["Tunnel0"]
    assert len(state.entries) == 1 + c.MAX_ENTRIES_PER_PEER
    assert entry(hub, tunnel_address(2), link.now) is not None
    assert state.traffic.refused["rate limit"] == 5000 - c.PEER_BURST
    assert len(hub.events()) < 100


def test_own_addresses_as_source_are_refused() -> None:
    link = Link()
    hub = link.add(hub_interface())
    link.add(spoke_interface(2))
    packet = link.log[0].packet
    for peer, forged in (
        (nbma(2), replace(packet, source=HUB)),
        (HUB_NBMA, packet),
    ):
        hub.receive(Datagram("Tunnel0", peer, HUB_NBMA, forged.encode()), link.now)
    refused = hub.state(link.now).interfaces["Tunnel0"].traffic.refused
    assert refused == {"own protocol address as source": 1, "own NBMA address as source": 1}
    assert hub.datagrams() == []
    assert any("%IOSISH-4-NHRP_REFUSED" in line for line in lines(hub.events()))


def test_cie_defaults_are_those_of_a_bare_request() -> None:
    assert len(Cie().encode()) == 12
