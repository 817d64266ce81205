"""A DMVPN cloud in memory: what an engineer relies on, on routers without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from types import MappingProxyType

import pytest

from iosish.config.model import Config
from iosish.icmp.ping import PingRequest
from iosish.nhrp.state import CacheEntry
from iosish.plane.memory.wire import Capture
from iosish.plane.memory.world import World
from iosish.sim.topology import SimLab

Read = Callable[[str], Config]


def make(
    classic: dict[str, str],
    read: Read,
    added: Mapping[str, str] = MappingProxyType({}),
    seed: int = 1,
    loss: float = 0.0,
) -> SimLab:
    """The classic lab with lines added to some routers, at power-on."""
    texts = {name: text.replace("\nend", f"\n{added.get(name, '')}\nend") for name, text in classic.items()}
    return SimLab(World(seed), [read(text) for text in texts.values()], loss=loss)


def entries(lab: SimLab, name: str, tunnel: str = "Tunnel0") -> dict[str, CacheEntry]:
    state = lab[name].router.nhrp_state(lab.world.now).interfaces[tunnel]
    return {str(entry.target.network_address): entry for entry in state.entries if not entry.local}


def registered(lab: SimLab, hub: str = "R1", tunnel: str = "Tunnel0") -> set[str]:
    return {name for name, entry in entries(lab, hub, tunnel).items() if entry.up and "registered" in entry.flags}


ALL = {"192.168.0.2", "192.168.0.3", "192.168.0.4"}


def test_a2_three_spokes_register_within_a_second(classic: dict[str, str], read: Read) -> None:
    lab = make(classic, read)
    assert lab.world.run_until(lambda: registered(lab) == ALL, 1.0)
    assert lab["R1"].router.nhrp_state(lab.world.now).interfaces["Tunnel0"].role == "Hub"
    assert lab["R2"].router.nhrp_state(lab.world.now).interfaces["Tunnel0"].role == "Spoke"


@pytest.mark.parametrize("seed", range(3))
def test_lost_registrations_are_sent_again(classic: dict[str, str], read: Read, seed: int) -> None:
    lab = make(classic, read, seed=seed, loss=0.3)
    assert lab.world.run_until(lambda: registered(lab) == ALL, 120.0)


def test_c8_a_key_on_one_side_only_keeps_it_down_counted_and_logged(classic: dict[str, str], read: Read) -> None:
    lab = make(classic, read, {"R2": "interface Tunnel0\n tunnel key 7\n"})
    lab.world.run_until(20.0)
    assert registered(lab) == ALL - {"192.168.0.2"}
    assert lab["R1"].plane.read_counters().drops["key mismatch"] > 0
    assert any("key mismatch" in event.text for _, event in lab["R1"].events)


def test_c8_a_key_set_on_a_running_hub_is_noticed_at_once(lab: SimLab, classic: dict[str, str], read: Read) -> None:
    assert registered(lab) == ALL
    key = "interface Tunnel0\n tunnel key 7\n"
    lab["R1"].configure(read(classic["R1"].replace("\nend", f"\n{key}\nend")))
    assert registered(lab) == set()
    lab["R2"].configure(read(classic["R2"].replace("\nend", f"\n{key}\nend")))
    assert lab.world.run_until(lambda: registered(lab) == {"192.168.0.2"}, lab.world.now + 3.0)


def test_c15_network_ids_may_differ(classic: dict[str, str], read: Read) -> None:
    lab = make(classic, read, {f"R{n}": f"interface Tunnel0\n ip nhrp network-id {n}0\n" for n in range(1, 5)})
    lab.world.run_until(5.0)
    assert registered(lab) == ALL
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))


def test_c16_tunnel_numbers_may_differ(classic: dict[str, str], read: Read) -> None:
    texts = {**classic, "R1": classic["R1"].replace("Tunnel0", "Tunnel123")}
    lab = SimLab(World(1), [read(text) for text in texts.values()])
    lab.world.run_until(5.0)
    assert registered(lab, tunnel="Tunnel123") == ALL


def test_a6_an_unused_spoke_ages_out_and_comes_back_with_traffic(classic: dict[str, str], read: Read) -> None:
    short = "interface Tunnel0\n ip nhrp holdtime 30\n"
    lab = make(classic, read, {"R2": short, "R3": short, "R4": short})
    lab.world.run_until(5.0)
    lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    assert "192.168.0.4" in entries(lab, "R2")
    lab.world.run_until(lab.world.now + 40.0)
    assert set(entries(lab, "R2")) == {"192.168.0.1"}
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    assert "192.168.0.4" in entries(lab, "R2")


def test_a_used_entry_is_refreshed_and_no_ping_is_lost(classic: dict[str, str], read: Read) -> None:
    short = "interface Tunnel0\n ip nhrp holdtime 3\n ip nhrp registration timeout 1\n"
    lab = make(classic, read, {"R2": short, "R3": short, "R4": short})
    lab.world.run_until(5.0)
    assert "(400/400)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4"), repeat=400))
    assert "192.168.0.4" in entries(lab, "R2")


def test_a_restarted_hub_is_registered_with_again(classic: dict[str, str], read: Read) -> None:
    often = "interface Tunnel0\n ip nhrp registration timeout 5\n"
    lab = make(classic, read, {"R2": often, "R3": often, "R4": often})
    assert lab.world.run_until(lambda: registered(lab) == ALL, 5.0)
    hub = lab["R1"]
    hub.configure(read("hostname R1\n"))
    lab.world.run_until(lab.world.now + 1.0)
    hub.configure(read(classic["R1"]))
    assert lab.world.run_until(lambda: registered(lab) == ALL, lab.world.now + 15.0)


def test_authentication_must_agree(classic: dict[str, str], read: Read) -> None:
    secret = "interface Tunnel0\n ip nhrp authentication secret\n"
    lab = make(classic, read, {"R1": secret, "R2": secret, "R3": "interface Tunnel0\n ip nhrp authentication wrong\n"})
    lab.world.run_until(20.0)
    assert registered(lab) == {"192.168.0.2"}
    assert any("authentication" in event.text for _, event in lab["R1"].events)


def test_a_point_to_point_spoke_registers_at_a_multipoint_hub(classic: dict[str, str], read: Read) -> None:
    phase_1 = "interface Tunnel0\n tunnel mode gre ip\n tunnel destination 172.16.15.2\n"
    lab = make(classic, read, {"R2": phase_1})
    lab.world.run_until(5.0)
    assert registered(lab) == ALL
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))


def test_a_cut_cable_takes_the_tunnel_down_and_joined_it_comes_back(classic: dict[str, str], read: Read) -> None:
    often = "interface Tunnel0\n ip nhrp registration timeout 2\n"
    lab = make(classic, read, {"R2": often})
    lab.world.run_until(5.0)
    lab.wire("R2", "R5").cut()
    lab.world.run_until(6.0)
    assert not lab["R2"].router.statuses["Tunnel0"].line_up
    lab.wire("R2", "R5").join()
    assert lab.world.run_until(lambda: lab["R2"].router.statuses["Tunnel0"].line_up, 7.0)
    lab.world.run_until(10.0)
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))


def test_a_shut_spoke_is_purged_at_the_hub_or_ages_out(classic: dict[str, str], read: Read) -> None:
    short = "interface Tunnel0\n ip nhrp holdtime 10\n"
    lab = make(classic, read, {"R2": short})
    lab.world.run_until(5.0)
    lab["R2"].configure(read(classic["R2"].replace("interface Tunnel0\n", "interface Tunnel0\n shutdown\n")))
    assert lab.world.run_until(lambda: registered(lab) == ALL - {"192.168.0.2"}, 20.0)


def test_the_same_seed_gives_the_same_trace(classic: dict[str, str], read: Read) -> None:
    traces = []
    for _ in range(2):
        lab = make(classic, read, seed=7, loss=0.2)
        captured: list[Capture] = []
        for wire in lab.wires.values():
            wire.tap(captured)
        lab.world.run_until(60.0)
        traces.append(captured)
    assert traces[0] == traces[1]
    assert len(traces[0]) >= 12  # three registrations and replies, two wires each


def test_a_protected_tunnel_stays_down_and_says_why(classic: dict[str, str], read: Read) -> None:
    lab = make(classic, read, {"R2": "interface Tunnel0\n tunnel protection ipsec profile P\n"})
    captured: list[Capture] = []
    lab.wire("R2", "R5").tap(captured)
    lab.world.run_until(20.0)
    status = lab["R2"].router.statuses["Tunnel0"]
    assert not status.line_up
    assert status.reason == "tunnel protection: IPsec profile P is not configured"
    assert not [capture for capture in captured if capture.packet[9] == 47]
    said = [event.text for _, event in lab["R2"].events if event.mnemonic == "LINE_DOWN"]
    assert said == [f"Interface Tunnel0 stays down: {status.reason}"]


CRYPTO = """\
crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0
crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
crypto ipsec profile MyProfile
 set transform-set MyTransformSet
interface Tunnel0
 tunnel protection ipsec profile MyProfile
"""


def test_a_protected_tunnel_is_up_and_sends_nothing_in_the_clear(classic: dict[str, str], read: Read) -> None:
    lab = make(classic, read, {"R2": CRYPTO})
    captured: list[Capture] = []
    lab.wire("R2", "R5").tap(captured)
    lab.world.run_until(20.0)
    assert lab["R2"].router.statuses["Tunnel0"].line_up
    assert not [capture for capture in captured if capture.packet[9] == 47]
