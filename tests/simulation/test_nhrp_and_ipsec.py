"""The conversation between NHRP and IPsec, on whole routers: who asks for SAs, who waits for them, who hears of their
end, and what is begun anew."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.forwarding import ipv4
from iosish.icmp.ping import PingRequest
from iosish.plane.memory.wire import Capture
from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import (
    CLEARS,
    NBMA,
    Flow,
    Leaks,
    Read,
    agreed,
    answers,
    clear,
    direct,
    everywhere,
    flow,
    idle,
    isakmp,
    logged,
    make,
    run,
    spis,
    texts,
    with_lines,
    within,
)
from tests.simulation.test_cloud import ALL, entries, registered

SPOKES = ("R2", "R3", "R4")


@pytest.fixture
def lab(read: Read) -> SimLab:
    """The encrypted lab, 15 s after power-on."""
    lab = make(read)
    run(lab, 15.0)
    assert registered(lab) == ALL
    return lab


def registrations(lab: SimLab, name: str) -> int:
    """How many registrations a spoke has sent."""
    (server,) = lab[name].router.nhrp_state(lab.world.now).interfaces["Tunnel0"].nhs
    return server.requests_sent


# --- who asks, and who waits ----------------------------------------------------------------------------------------


def test_a_peer_asks_for_an_sa_before_its_first_packet_and_nhrp_waits_for_it(read: Read) -> None:
    lab = make(read)
    captured: list[Capture] = []
    lab.wire("R2", "R5").tap(captured, at="R2 FastEthernet0/0")
    run(lab, 5.0)
    kinds = [seen.packet[9] for seen in captured]
    first = kinds.index(ipv4.ESP)
    assert set(kinds[:first]) == {ipv4.UDP} and first == 9  # six messages of main mode, three of quick mode
    assert ipv4.GRE not in kinds
    assert captured[first].time - captured[first - 1].time < 0.1  # the registration, at once
    socket_up = next(time for time, event in lab["R2"].events if event.mnemonic == "CRYPTO_SS")
    server_up = next(time for time, event in lab["R2"].events if event.mnemonic == "NHRP_NHS_UP")
    assert socket_up < server_up < socket_up + 0.1


def test_without_an_sa_nhrp_sends_nothing_for_ever(read: Read) -> None:
    lab = make(read, {"R2": "no crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0\n"})
    leaks = Leaks(lab)
    run(lab, 600.0)
    assert registrations(lab, "R2") == 0
    assert registered(lab) == ALL - {"192.168.0.2"}
    assert leaks == []


def test_the_hub_answers_spokes_it_does_not_know(lab: SimLab) -> None:
    assert all(not sa.initiator for sa in isakmp(lab, "R1"))
    assert {str(sa.peer) for sa in isakmp(lab, "R1")} == {NBMA[name] for name in SPOKES}


@pytest.mark.parametrize("seed", range(5))
def test_spokes_build_a_pair_of_their_own_while_both_ping_and_nothing_is_lost(read: Read, seed: int) -> None:
    lab = make(read, seed=seed)
    run(lab, 15.0)
    leaks = Leaks(lab)
    captured: list[Capture] = []
    lab.wire("R2", "R5").tap(captured)
    one, other = Flow(lab["R2"], "192.168.0.4", 0.01), Flow(lab["R4"], "192.168.0.2", 0.013)
    run(lab, 5.0)
    assert agreed(lab, "R2", "R4")
    assert len(flow(lab, "R2", "R4").inbound) <= 2  # type: ignore[union-attr] # agreed
    run(lab, 1.0)
    assert len(direct(captured[-50:], "R2", "R4")) == 50  # all that passes goes straight
    one.stop()
    other.stop()
    assert (one.lost(), other.lost()) == ([], [])
    assert leaks == []


def test_when_the_direct_sas_cannot_be_had_packets_go_by_the_hub(read: Read) -> None:
    lab = make(read, {"R4": f"crypto isakmp key Other address {NBMA['R2']}\n"})
    run(lab, 15.0)
    captured: list[Capture] = []
    lab.wire("R2", "R5").tap(captured)
    pings = Flow(lab["R2"], "192.168.0.4", 0.1)
    run(lab, 200.0)
    pings.stop()
    assert pings.lost() == []
    assert direct(captured, "R2", "R4") == [] and len(direct(captured, "R1", "R2")) >= 2 * len(pings.sent)


# --- who hears of the end -------------------------------------------------------------------------------------------


def test_an_sa_that_dies_of_silence_is_heard_of_by_nhrp(read: Read) -> None:
    lab = make(read, everywhere("crypto isakmp keepalive 10 2 periodic\n"))
    run(lab, 15.0)
    lab.wire("R2", "R5").cut()
    assert within(lab, 10 + 6 * 2 + 2, lambda: spis(lab, "R1", "R2") == set())
    assert "192.168.0.2" not in registered(lab)
    run(lab, 11.0)
    assert "192.168.0.2" not in entries(lab, "R1")
    assert any("172.16.25.2" in text and "DOWN" in text for text in logged(lab, "R1", "NHRP_NHC_DOWN"))
    lab.wire("R2", "R5").join()
    assert within(lab, 10.0, lambda: registered(lab) == ALL)


@pytest.mark.parametrize("command", ["clear crypto sa", "clear crypto session", "clear dmvpn session static"])
@pytest.mark.parametrize("where", ["R1", "R2"])
def test_a_server_whose_sa_ends_is_registered_with_again_at_once(lab: SimLab, where: str, command: str) -> None:
    before, sent, began = spis(lab, "R2", "R1"), registrations(lab, "R2"), lab.world.now
    clear(lab[where], command)
    assert within(lab, 3.0, lambda: answers(lab, "R2") and registrations(lab, "R2") > sent)
    assert not before & spis(lab, "R2", "R1") and agreed(lab, "R1", "R2")
    assert within(lab, 3.0, lambda: registered(lab) == ALL)
    (up, *_) = [time for time, event in lab["R2"].events if event.mnemonic == "NHRP_NHS_UP" and time >= began]
    (opened, *_) = [time for time, event in lab["R2"].events if event.text.endswith("socket is UP") and time >= began]
    assert up - opened < 0.1


def test_a_server_that_ends_in_order_tells_who_has_sas_with_it(lab: SimLab) -> None:
    leaks = Leaks(lab)
    lab["R1"].end()
    run(lab, 1.0)
    assert spis(lab, "R2", "R1") == set()
    assert not answers(lab, "R2")
    assert leaks == []


def test_a_server_that_dpd_finds_dead_is_registered_with_when_it_is_back(read: Read) -> None:
    lab = make(read, everywhere("crypto isakmp keepalive 10 2 periodic\n"))
    run(lab, 15.0)
    sent, began = registrations(lab, "R2"), lab.world.now
    wire = lab.wire("R1", "R5")
    wire.loss = 1.0
    assert within(lab, 30.0, lambda: spis(lab, "R2", "R1") == set())
    assert not answers(lab, "R2") and logged(lab, "R2", "NHRP_NHS_DOWN", began)
    wire.loss = 0.0
    assert within(lab, 15.0, lambda: answers(lab, "R2"))
    assert registrations(lab, "R2") > sent
    assert within(lab, 15.0, lambda: registered(lab) == ALL)


# --- phase 1 alone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("where", ["R1", "R2"])
def test_after_clear_crypto_isakmp_phase_1_is_back_within_5_s_and_the_ipsec_sas_live_on(
    read: Read, where: str, seed: int
) -> None:
    lab = make(read, seed=seed)
    run(lab, 15.0)
    leaks = Leaks(lab)
    pings = Flow(lab["R2"], "192.168.0.1", 0.05)
    run(lab, 1.0)
    kept, before = spis(lab, "R2", "R1"), idle(lab, "R2", "R1")
    clear(lab[where], "clear crypto isakmp")
    run(lab, 0.5)
    assert not before & idle(lab, "R2", "R1")  # the peer's delete has arrived
    run(lab, 4.5)
    for one, other in (("R1", "R2"), ("R2", "R1")):
        assert len(idle(lab, one, other)) == 1, one
    assert spis(lab, "R2", "R1") == kept
    pings.stop()
    assert pings.lost() == []
    assert leaks == []


def test_phase_1_of_all_spokes_is_back_after_clear_on_the_hub(lab: SimLab) -> None:
    kept = {name: spis(lab, name, "R1") for name in SPOKES}
    clear(lab["R1"], "clear crypto isakmp")
    run(lab, 5.0)
    assert {str(sa.peer) for sa in isakmp(lab, "R1")} == {NBMA[name] for name in SPOKES}
    assert all(len(idle(lab, "R1", name)) == 1 for name in SPOKES)
    assert {name: spis(lab, name, "R1") for name in SPOKES} == kept


# --- a server that is silent though its SA is up --------------------------------------------------------------------


@pytest.mark.parametrize(
    "keepalive", ["", "crypto isakmp keepalive 3600 60\n", "crypto isakmp keepalive 3600 60 periodic\n"]
)
def test_a_silent_server_costs_both_sas_and_is_begun_with_anew(read: Read, keepalive: str) -> None:
    """The hub comes back without any memory; the spoke's SAs are up for an hour yet."""
    lab = make(read, everywhere(f"{keepalive}interface Tunnel0\n ip nhrp registration timeout 5\n"))
    run(lab, 15.0)
    old, phase1 = spis(lab, "R2", "R1"), idle(lab, "R2", "R1")
    lab.restart("R1", off_s=1.0)
    began = lab.world.now
    assert within(lab, 15.0, lambda: registered(lab) == ALL)
    assert not old & spis(lab, "R2", "R1") and not phase1 & idle(lab, "R2", "R1")
    assert logged(lab, "R2", "NHRP_NHS_DOWN", began)
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.1")))


# --- when nothing needs it ------------------------------------------------------------------------------------------


def test_an_sa_goes_with_the_last_cache_entry_that_needs_it(read: Read) -> None:
    lab = make(read, dict.fromkeys(SPOKES, "interface Tunnel0\n ip nhrp holdtime 30\n"))
    run(lab, 15.0)
    lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    run(lab, 1.0)
    assert agreed(lab, "R2", "R4")
    run(lab, 60.0)
    assert "192.168.0.4" not in entries(lab, "R2") and "192.168.0.2" not in entries(lab, "R4")
    assert flow(lab, "R2", "R4") is None and flow(lab, "R4", "R2") is None
    assert agreed(lab, "R2", "R1") and registered(lab) == ALL
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    run(lab, 1.0)
    assert agreed(lab, "R2", "R4")


def test_an_sa_stays_while_another_entry_needs_it(read: Read) -> None:
    """R4's own address lapses at R2, the static map to it does not."""
    lab = make(
        read,
        {
            "R2": f"interface Tunnel0\n ip nhrp holdtime 30\n ip nhrp map 192.168.0.44 {NBMA['R4']}\n",
            "R4": "interface Tunnel0\n ip nhrp holdtime 30\n",
        },
    )
    run(lab, 15.0)
    assert agreed(lab, "R2", "R4")
    lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    assert "192.168.0.4" in entries(lab, "R2")
    run(lab, 60.0)
    assert "192.168.0.4" not in entries(lab, "R2")
    assert agreed(lab, "R2", "R4")


# --- every clear ----------------------------------------------------------------------------------------------------

HARMLESS = {("clear crypto isakmp", name) for name in NBMA} | {("clear ip nhrp", "R1"), ("clear ip nhrp", "R2")}
"""What may cost no packet: it leaves the SAs alone, or the pings of R2 go by the hub while another one is made."""


@pytest.mark.parametrize("command", CLEARS)
@pytest.mark.parametrize("where", ["R1", "R2", "R4"])
def test_every_clear_rebuilds_by_itself_and_shows_nothing_readable(lab: SimLab, where: str, command: str) -> None:
    pings = Flow(lab["R2"], "192.168.0.4", 0.05)
    run(lab, 2.0)
    leaks = Leaks(lab)
    clear(lab[where], command)
    run(lab, 6.0)
    pings.stop()
    assert registered(lab) == ALL and all(answers(lab, name) for name in SPOKES)
    assert agreed(lab, "R1", "R2") and agreed(lab, "R1", "R4") and agreed(lab, "R2", "R4")
    last = [at for at in pings.lost() if at > pings.sent[-1] - 3.0]
    assert last == []
    if (command, where) in HARMLESS:
        assert pings.lost() == []
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    assert leaks == []
    for name in ("R1", "R2", "R4"):
        assert all(len(state.inbound) <= 2 for state in lab[name].router.ike_state(lab.world.now).flows)


def test_all_clears_at_once_on_all_routers(lab: SimLab) -> None:
    leaks = Leaks(lab)
    for command in CLEARS:
        for name in NBMA:
            clear(lab[name], command)
    assert within(lab, 15.0, lambda: registered(lab) == ALL and all(answers(lab, name) for name in SPOKES))
    run(lab, 5.0)
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    assert leaks == []


# --- shut, and taken away -------------------------------------------------------------------------------------------


def test_a_shut_tunnel_takes_its_sas_along_and_brings_them_back(read: Read, lab: SimLab) -> None:
    leaks = Leaks(lab)
    lab["R2"].configure(read(with_lines(texts()["R2"], "interface Tunnel0\n shutdown\n")))
    run(lab, 1.0)
    assert lab["R2"].router.ike_state(lab.world.now).flows == ()
    assert spis(lab, "R1", "R2") == set()
    lab["R2"].configure(read(texts()["R2"]))
    assert within(lab, 5.0, lambda: registered(lab) == ALL)
    assert leaks == []


def test_b4_protection_on_one_side_only_heals_when_the_other_follows(read: Read) -> None:
    clear_text = "interface Tunnel0\n no tunnel protection ipsec profile MyProfile\n"
    lab = make(read, {"R1": clear_text})
    run(lab, 120.0)
    assert registered(lab) == set()
    lab["R1"].configure(read(texts()["R1"]))
    leaks = Leaks(lab)
    assert within(lab, 35.0, lambda: registered(lab) == ALL)
    assert leaks == []


# --- another address ------------------------------------------------------------------------------------------------


def test_a_spoke_that_gets_another_address_is_registered_by_it_at_once(read: Read) -> None:
    """What it had by the old one ends while it still has that, so that the hub lets its unique address move."""
    wider = "interface FastEthernet0/1\n ip address 172.16.25.1 255.255.255.248\n"
    lines = (
        "interface Tunnel0\n tunnel source FastEthernet0/0\ninterface FastEthernet0/0\n ip address {} 255.255.255.248\n"
    )
    lab = make(read, {"R2": lines.format(NBMA["R2"]), "R5": wider})
    run(lab, 15.0)
    assert answers(lab, "R2")
    lab["R2"].configure(read(with_lines(texts()["R2"], lines.format("172.16.25.5"))))
    run(lab, 3.0)
    assert answers(lab, "R2")
    assert {str(state.peer) for state in lab["R1"].router.ike_state(lab.world.now).flows} == {
        "172.16.25.5",
        NBMA["R3"],
        NBMA["R4"],
    }


# --- idle SAs -------------------------------------------------------------------------------------------------------


def test_sas_that_end_idle_are_no_end_for_nhrp_and_the_next_packet_of_either_side_has_them_again(read: Read) -> None:
    lines = "crypto ipsec profile MyProfile\n set security-association idle-time 60\n"
    registering = "interface Tunnel0\n ip nhrp registration timeout 600\n"
    lab = make(read, {**everywhere(lines + registering), "R1": lines})
    run(lab, 15.0)
    assert registered(lab) == ALL
    run(lab, 60.0)
    assert not any(spis(lab, "R1", name) for name in SPOKES)
    run(lab, 60.0)
    assert registered(lab) == ALL and all(answers(lab, name) for name in SPOKES)
    assert "100 percent" in lab["R1"].ping(PingRequest(IPv4Address("192.168.0.2")))
    assert spis(lab, "R1", "R2") and not spis(lab, "R1", "R3")
    before = registrations(lab, "R3")
    run(lab, 700.0)
    assert registrations(lab, "R3") > before and registered(lab) == ALL
    assert not logged(lab, "R1", "NHRP_NHC_DOWN") and not logged(lab, "R3", "NHRP_NHS_DOWN")


def test_a_peer_that_died_while_its_sas_were_idle_is_found_out(read: Read) -> None:
    lab = make(read, everywhere("crypto ipsec profile MyProfile\n set security-association idle-time 60\n"))
    run(lab, 80.0)
    lab["R2"].power_off()
    assert "0 percent" in lab["R1"].ping(PingRequest(IPv4Address("192.168.0.2")))
    assert within(lab, 90.0, lambda: bool(logged(lab, "R1", "NHRP_NHC_DOWN")))
