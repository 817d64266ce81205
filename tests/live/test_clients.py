"""What ntc-templates and Genie read in the screens of running routers is what these routers are at."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.clients.environment import Unavailable, ask
from tests.live.conftest import lab_of
from tests.live.lab import HUB, SPOKES, Lab

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]  # the first run installs the clients

NTC = ["show dmvpn", "show interfaces", "show ip interface brief", "show version", "show ip route"]
GENIE = [*NTC, "show ip nhrp", "show ip nhrp nhs detail", "show ip nhrp traffic"]
ROUTERS = ("R1", *SPOKES)

#: Tunnel address to NBMA address.
NBMA = {HUB: "172.16.15.2", "192.168.0.2": "172.16.25.2", "192.168.0.3": "172.16.35.2", "192.168.0.4": "172.16.45.2"}
#: What each router has as its peers after R2 has pinged R4, with the attribute.
PEERS = {
    "R1": {"192.168.0.2": "D", "192.168.0.3": "D", "192.168.0.4": "D"},
    "R2": {HUB: "S", "192.168.0.4": "D"},
    "R3": {HUB: "S"},
    "R4": {HUB: "S", "192.168.0.2": "D"},
}
NHRP_PACKETS = ("registration_request", "registration_reply", "resolution_request", "resolution_reply")

#: (router, command) to what a client made of the text.
Read = Callable[[str, str], Any]


class Screens:
    """All screens of the lab, taken while nothing moved: what it reports of itself and its kernel's counters too."""

    def __init__(self, lab: Lab) -> None:
        self.text = {(router, command): lab.console(router, command) for router in ROUTERS for command in GENIE}
        self.status = {router: lab.status(router) for router in ROUTERS}
        self.pid = lab.record()["processes"]
        self.links = {router: _links(lab, router) for router in ROUTERS}

    def read_by(self, client: str, commands: list[str]) -> Read:
        places = [(router, command) for router in ROUTERS for command in commands]
        questions = [{"command": place[1], "text": self.text[place], "os": "iosxe"} for place in places]
        try:
            answers = dict(zip(places, ask(client, questions), strict=True))
        except Unavailable as reason:
            pytest.skip(str(reason))

        def answer(router: str, command: str) -> Any:
            found = answers[router, command]
            assert not isinstance(found, str), f"{client} cannot read {command} of {router}: {found}"
            return found

        return answer


def _links(lab: Lab, router: str) -> dict[str, Any]:
    """The kernel's view of a router's devices, by name."""
    found = json.loads(lab.inside(router, "ip", "-j", "-s", "addr").stdout)
    return {link["ifname"]: link for link in found}


@pytest.fixture(scope="module", params=["dmvpn", "dmvpn-ipsec"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield from lab_of(f"running-configs/{request.param}")


@pytest.fixture(scope="module")
def screens(lab: Lab) -> Screens:
    assert "(5/5)" in lab.console("R2", "ping 192.168.0.4")
    for router, peers in PEERS.items():
        lab.expect_peers(router, {address: (NBMA[address], "UP", kind) for address, kind in peers.items()})
    lab.expect_still()
    return Screens(lab)


@pytest.fixture(scope="module")
def ntc(screens: Screens) -> Read:
    return screens.read_by("ntc", NTC)


@pytest.fixture(scope="module")
def genie(screens: Screens) -> Read:
    return screens.read_by("genie", GENIE)


@pytest.mark.parametrize("router", ROUTERS)
def test_show_dmvpn(ntc: Read, genie: Read, router: str) -> None:
    rows = {row["peer_tunnel"]: row for row in ntc(router, "show dmvpn")}
    assert {address: row["attribute"] for address, row in rows.items()} == PEERS[router]
    read = genie(router, "show dmvpn")["interfaces"]["Tunnel0"]
    assert read["type"] == ("Hub" if router == "R1" else "Spoke")
    assert read["nhrp_peers"] == len(PEERS[router])
    for address, attribute in PEERS[router].items():
        assert (rows[address]["peer_nbma"], rows[address]["state"]) == (NBMA[address], "UP")
        entry = read["ent"]["1"]["peers"][NBMA[address]]["tunnel_addr"][address]["attrb"][attribute]
        assert entry["state"] == "UP"
        assert re.fullmatch(r"00:0\d:\d\d", rows[address]["uptime"]) and re.fullmatch(r"00:0\d:\d\d", entry["time"])


@pytest.mark.parametrize("router", ROUTERS)
def test_show_ip_nhrp(genie: Read, router: str) -> None:
    read = genie(router, "show ip nhrp")
    own = SPOKES.get(router, HUB)
    assert set(read) - {f"{own}/32"} == {f"{address}/32" for address in PEERS[router]}
    for address, attribute in PEERS[router].items():
        entry = read[f"{address}/32"]["via"][address]
        assert entry["nbma_address"] == NBMA[address]
        assert entry["tunnel"]["tunnel_name"] == "Tunnel0"
        if attribute == "S":
            assert (entry["type"], entry["tunnel"]["expire"]) == ("static", "never expire")
        else:
            assert entry["type"] == "dynamic"
            assert re.fullmatch(r"0[12]:\d\d:\d\d", entry["tunnel"]["expire"])
            assert {"registered", "unique"} <= set(entry["flags"].split()) or router != "R1"


@pytest.mark.parametrize("router", SPOKES)
def test_show_ip_nhrp_nhs_detail(genie: Read, screens: Screens, router: str) -> None:
    (reported,) = screens.status[router]["nhs"]
    assert reported == {"interface": "Tunnel0", "address": HUB, "up": True}
    server = genie(router, "show ip nhrp nhs detail")["Tunnel0"]["nhs_ip"][HUB]
    assert (server["nhs_state"], server["nbma_address"]) == ("RE", NBMA[HUB])
    assert server["ack"] == server["current_request_id"]
    traffic = genie(router, "show ip nhrp traffic")["interface"]["Tunnel0"]
    assert server["req_sent"] == traffic["sent"]["registration_request"]
    assert server["reply_recv"] == traffic["rcvd"]["registration_reply"]
    assert server["req_failed"] == 0


def test_show_ip_nhrp_traffic_what_all_sent_arrived_somewhere(genie: Read) -> None:
    counts = {router: genie(router, "show ip nhrp traffic")["interface"]["Tunnel0"] for router in ROUTERS}
    for ways in counts.values():
        for way in ("sent", "rcvd"):
            packets = dict(ways[way])
            assert packets.pop("total") == sum(packets.values()) > 0
            assert sum(packets.values()) == sum(packets[kind] for kind in NHRP_PACKETS)
    # By the hub, which counts what it passes on, or directly where an SA was built for the answer.
    # A registration that is sent before the underlay is there has no reply.
    for kind in NHRP_PACKETS[1:]:
        sent, received = (sum(ways[way][kind] for ways in counts.values()) for way in ("sent", "rcvd"))
        assert sent == received > 0
    assert counts["R1"]["rcvd"]["registration_request"] == counts["R1"]["sent"]["registration_reply"]
    assert counts["R2"]["sent"]["resolution_request"] == counts["R2"]["rcvd"]["resolution_reply"] > 0


@pytest.mark.parametrize("router", ROUTERS)
def test_show_interfaces(ntc: Read, genie: Read, screens: Screens, router: str) -> None:
    reported = screens.status[router]["interfaces"]
    rows = {row["interface"]: row for row in ntc(router, "show interfaces")}
    read = genie(router, "show interfaces")
    assert set(rows) == set(read) == set(reported)
    for name, state in reported.items():
        row, seen = rows[name], read[name]
        assert (
            (row["link_status"], row["protocol_status"]) == ("up", "up") == (seen["oper_status"], seen["line_protocol"])
        )
        assert f"{row['ip_address']}/{row['prefix_length']}" == state["address"]
        assert list(seen["ipv4"]) == [state["address"]]
        assert row["input_packets"] == str(seen["counters"]["in_pkts"])
        assert row["output_packets"] == str(seen["counters"]["out_pkts"])
    wire, tunnel = rows["FastEthernet0/0"], read["Tunnel0"]
    link = screens.links[router]["Fa0-0"]
    assert wire["mac_address"].replace(".", "") == link["address"].replace(":", "")
    assert wire["mtu"] == str(link["mtu"]) == "1500"
    # The wire carries ARP on top of what was counted in the tunnel, and may count on while we look.
    assert int(wire["input_packets"]) <= link["stats64"]["rx"]["packets"]
    assert 0 < tunnel["counters"]["in_pkts"] <= int(wire["input_packets"])
    assert 0 < tunnel["counters"]["out_pkts"] <= int(wire["output_packets"])
    assert tunnel["tunnel_source_ip"] == NBMA[SPOKES.get(router, HUB)]
    assert tunnel["tunnel_transport_mtu"] == screens.links[router]["Tunnel0"]["mtu"] == 1476


@pytest.mark.parametrize("router", ROUTERS)
def test_show_ip_interface_brief(ntc: Read, genie: Read, screens: Screens, router: str) -> None:
    reported = screens.status[router]["interfaces"]
    rows = ntc(router, "show ip interface brief")
    read = genie(router, "show ip interface brief")["interface"]
    assert {row["interface"]: row["ip_address"] for row in rows} == {
        name: state["address"].partition("/")[0] for name, state in reported.items()
    }
    assert set(read) == set(reported)
    for row in rows:
        assert (row["status"], row["proto"]) == ("up", "up")
        assert read[row["interface"]] == {
            "ip_address": row["ip_address"],
            "interface_is_ok": "YES",
            "method": "NVRAM",
            "status": "up",
            "protocol": "up",
        }


@pytest.mark.parametrize("router", ROUTERS)
def test_show_version(ntc: Read, genie: Read, screens: Screens, router: str) -> None:
    (row,) = ntc(router, "show version")
    read = genie(router, "show version")["version"]
    assert row["hostname"] == read["hostname"] == screens.status[router]["hostname"] == router
    assert (row["version"], read["version_short"], read["os"]) == ("15.9(3)M", "15.9", "IOS")
    assert row["reload_reason"] == read["last_reload_reason"] == "power-on"
    assert read["number_of_intfs"] == {"FastEthernet": "1"}
    assert row["serial"] == [read["chassis_sn"]]


@pytest.mark.parametrize("router", ROUTERS)
def test_show_ip_route(ntc: Read, genie: Read, screens: Screens, router: str) -> None:
    wire, tunnel = (screens.status[router]["interfaces"][name]["address"] for name in ("FastEthernet0/0", "Tunnel0"))
    wire_host, tunnel_host = (address.partition("/")[0] for address in (wire, tunnel))
    underlay = wire_host.rpartition(".")[0]
    expected = {
        ("0.0.0.0/0", "S", f"{underlay}.1", ""),
        (f"{underlay}.0/30", "C", "", "FastEthernet0/0"),
        (f"{wire_host}/32", "L", "", "FastEthernet0/0"),
        ("192.168.0.0/24", "C", "", "Tunnel0"),
        (f"{tunnel_host}/32", "L", "", "Tunnel0"),
    }
    assert {
        (f"{row['network']}/{row['prefix_length']}", row["protocol"], row["nexthop_ip"], row["nexthop_if"])
        for row in ntc(router, "show ip route")
    } == expected
    routes = genie(router, "show ip route")["vrf"]["default"]["address_family"]["ipv4"]["routes"]
    assert {
        (
            network,
            route["source_protocol_codes"].rstrip("*"),
            *(hop["next_hop"] for hop in route["next_hop"].get("next_hop_list", {}).values()),
            *route["next_hop"].get("outgoing_interface", ()),
        )
        for network, route in routes.items()
    } == {(network, code, hop or interface) for network, code, hop, interface in expected}
