"""Spokes behind NAT boxes, which let UDP and pings pass: transport mode, port 4500, and what NHRP makes of it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.forwarding import ipv4
from iosish.icmp.ping import PingRequest
from iosish.plane.memory.nat import NatBox
from iosish.plane.memory.wire import Capture
from iosish.plane.memory.world import World
from iosish.sim.topology import SimLab
from tests.simulation.encrypted_lab import (
    Flow,
    Leaks,
    Read,
    answers,
    everywhere,
    logged,
    run,
    texts,
    with_lines,
    within,
)
from tests.simulation.test_cloud import ALL, entries, registered

TRANSPORT = "crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac\n mode transport\n"
KEY = "crypto isakmp key P4ssw0rd address 0.0.0.0\n"
SHORT = "crypto isakmp policy 10\n lifetime 600\ncrypto ipsec security-association lifetime seconds 200\n"


class NatLab:
    """The encrypted lab in transport mode, some spokes moved to 10.0.N.2 behind boxes that have their addresses."""

    def __init__(self, read: Read, *inside: str, added: str = "", seed: int = 1, idle_s: float = 120.0) -> None:
        lines = everywhere(KEY + TRANSPORT + added)
        configs = []
        for name, text in texts().items():
            if name in inside:
                number = name[1:]
                text = text.replace("255.255.255.252", "255.255.255.0")
                text = text.replace(f"172.16.{number}5.", f"10.0.{number}.")
            configs.append(read(with_lines(text, lines.get(name, ""))))
        self.lab = SimLab(World(seed), configs)
        self.boxes = {}
        for name in inside:
            number = name[1:]
            self.boxes[name] = NatBox(
                self.lab.wires[f"10.0.{number}.0/24"],
                IPv4Address(f"10.0.{number}.1"),
                self.lab.wires[f"172.16.{number}5.0/30"],
                IPv4Address(f"172.16.{number}5.2"),
                IPv4Address(f"172.16.{number}5.1"),
                idle_s=idle_s,
            )
        run(self.lab, 20.0)


def by_ports(captured: list[Capture]) -> set[tuple[int, bool]]:
    """What passed: protocol, and whether a UDP packet has port 4500 at one end."""
    found = set()
    for seen in captured:
        packet = seen.packet
        header = ipv4.header_size(packet)
        ports = {int.from_bytes(packet[at : at + 2], "big") for at in (header, header + 2)}
        found.add((packet[9], packet[9] == ipv4.UDP and 4500 in ports))
    return found


def test_a_spoke_behind_a_nat_registers_and_is_known_by_its_public_address(read: Read) -> None:
    lab = NatLab(read, "R2").lab
    assert registered(lab) == ALL
    entry = entries(lab, "R1")["192.168.0.2"]
    assert (str(entry.nbma), str(entry.claimed_nbma)) == ("172.16.25.2", "10.0.2.2")
    leaks = Leaks(lab)
    captured: list[Capture] = []
    lab.wires["172.16.25.0/30"].tap(captured)
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.1")))
    assert "(5/5)" in lab["R1"].ping(PingRequest(IPv4Address("192.168.0.2")))
    assert by_ports(captured) == {(ipv4.UDP, True)}
    assert leaks == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("source", "target"), [("R2", "192.168.0.4"), ("R4", "192.168.0.2")])
def test_a_spoke_behind_a_nat_and_one_in_the_open_go_straight(read: Read, source: str, target: str, seed: int) -> None:
    """Only the one behind the NAT can begin; the other's first messages go nowhere."""
    lab = NatLab(read, "R2", seed=seed).lab
    pings = Flow(lab[source], target, 0.1)
    run(lab, 30.0)
    captured: list[Capture] = []
    lab.wires["172.16.15.0/30"].tap(captured)
    run(lab, 5.0)
    pings.stop()
    assert pings.lost() == []
    assert not [seen for seen in captured if len(seen.packet) > 150]  # no ping goes by the hub any more


@pytest.mark.parametrize("seed", range(3))
def test_two_spokes_behind_different_nats_reach_each_other_by_the_hub(read: Read, seed: int) -> None:
    lab = NatLab(read, "R2", "R4", seed=seed).lab
    assert registered(lab) == ALL
    leaks = Leaks(lab)
    one, other = Flow(lab["R2"], "192.168.0.4", 0.5), Flow(lab["R4"], "192.168.0.2", 0.7)
    run(lab, 600.0)
    for pings in (one, other):
        pings.stop()
        assert pings.lost() == []
    assert registered(lab) == ALL
    assert leaks == []


def test_hours_behind_a_nat(read: Read) -> None:
    """Both phases are renewed again and again; the mapping of the NAT is kept by registrations alone."""
    lab = NatLab(read, "R2", added=SHORT + "interface Tunnel0\n ip nhrp registration timeout 60\n").lab
    pings = Flow(lab["R2"], "192.168.0.1", 2.0)
    run(lab, 2 * 3600.0)
    pings.stop()
    assert pings.lost() == []
    (flow,) = [each for each in lab["R1"].router.ike_state(lab.world.now).flows if str(each.peer) == "172.16.25.2"]
    assert len(flow.inbound) <= 2


def test_keepalives_hold_the_mapping_of_a_silent_spoke(read: Read) -> None:
    nat = NatLab(read, "R2", added="crypto isakmp nat keepalive 20\n", idle_s=30.0)
    run(nat.lab, 600.0)
    assert "(5/5)" in nat.lab["R1"].ping(PingRequest(IPv4Address("192.168.0.2")))


def test_a_nat_that_is_switched_off_and_on_is_followed(read: Read) -> None:
    """The spoke's packets come from other ports; as soon as IKE has been heard from there, the hub's go there too."""
    nat = NatLab(read, "R2", added="crypto isakmp keepalive 10 2 periodic\n")
    nat.boxes["R2"].forget()
    assert within(nat.lab, 60.0, lambda: "(5/5)" in nat.lab["R1"].ping(PingRequest(IPv4Address("192.168.0.2"))))
    assert registered(nat.lab) == ALL


def test_a_nat_that_forgets_while_nobody_asks_is_found_out_by_registrations(read: Read) -> None:
    nat = NatLab(read, "R2", added="interface Tunnel0\n ip nhrp registration timeout 5\n")
    nat.boxes["R2"].forget()
    run(nat.lab, 60.0)
    assert answers(nat.lab, "R2") and registered(nat.lab) == ALL
    assert "(5/5)" in nat.lab["R1"].ping(PingRequest(IPv4Address("192.168.0.2")))
    assert len(logged(nat.lab, "R2", "NHRP_NHS_DOWN")) <= 1


@pytest.mark.parametrize("where", [("R1", "R2", "R3", "R4"), ("R1",), ("R2",)])
@pytest.mark.parametrize("mode", ["transport", "tunnel"])
def test_encapsulation_in_udp_is_forced_without_a_nat(read: Read, where: tuple[str, ...], mode: str) -> None:
    """One end that asks for it is enough."""
    lines = f"crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac\n mode {mode}\n"
    forced = "crypto ipsec profile MyProfile\n set udp-encapsulation force\n"
    configs = [
        read(with_lines(text, (lines if name != "R5" else "") + (forced if name in where else "")))
        for name, text in texts().items()
    ]
    lab = SimLab(World(1), configs)
    run(lab, 15.0)
    assert registered(lab) == ALL
    captured: list[Capture] = []
    lab.wire("R2", "R5").tap(captured)
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.1")))
    assert by_ports(captured) == {(ipv4.UDP, True)}


def test_tunnel_mode_behind_a_nat_is_no_cloud(read: Read) -> None:
    """As on IOS: SAs are made, but the hub cannot send GRE to an address that it does not see."""
    lab = NatLab(read, "R2", added="crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac\n mode tunnel\n").lab
    run(lab, 60.0)
    assert {"192.168.0.3", "192.168.0.4"} <= registered(lab)
