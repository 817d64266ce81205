"""What public parsers read in our screens is what the router's state says."""

from __future__ import annotations

from typing import Any

import pytest

from iosish.log.line import line as log_line
from iosish.nhrp.state import CacheEntry
from iosish.show.interfaces import speed
from iosish.show.line_state import Line, ip_mtu, lines, mtu, transport_mtu
from iosish.show.times import duration, since, until, uptime
from iosish.snapshot import Snapshot
from tests.clients.conftest import Read
from tests.show.routers import ROUTERS

pytestmark = pytest.mark.timeout(900)  # the first run installs the clients

every_router = pytest.mark.parametrize("router", ROUTERS)

#: Attributes of `show dmvpn` by tunnel address; D for the others.
ATTRIBUTES = {
    "10.9.0.1": "S",
    "10.9.0.3": "DNT1",
    "10.9.0.4": "S",
    "10.9.0.99": "IX",
    "192.168.0.1": "S",
}
ROUTE_SOURCES = {"C": "connected", "L": "local", "S": "static", "H": "nhrp"}


def peers(snapshot: Snapshot, name: str) -> list[CacheEntry]:
    entries = sorted(snapshot.nhrp.interfaces[name].entries, key=lambda entry: entry.target)
    return [entry for entry in entries if not entry.local]


def tunnel_address(entry: CacheEntry) -> str:
    return str(entry.via or entry.target.network_address)


def nbma(entry: CacheEntry) -> str:
    return str(entry.nbma or "UNKNOWN")


# `TunnelN is admin down`, which IOS prints too, stops the template: hence the one tunnel of the branch.
@pytest.mark.parametrize(
    ("router", "command"),
    [("hub", "show dmvpn"), ("spoke", "show dmvpn"), ("branch", "show dmvpn interface Tunnel10")],
)
def test_ntc_reads_show_dmvpn(ntc: Read, router: str, command: str) -> None:
    snapshot = ROUTERS[router]()
    first_of_peer: dict[str, CacheEntry] = {}  # the template skips further addresses of a peer
    for name in snapshot.nhrp.interfaces:
        for entry in peers(snapshot, name):
            first_of_peer.setdefault(nbma(entry), entry)
    assert ntc(router, command) == [
        {
            "peer_nbma": address,
            "peer_tunnel": tunnel_address(entry),
            "state": "UP" if entry.up else "NHRP",
            "uptime": since(snapshot.now, entry.changed_at),
            "attribute": ATTRIBUTES.get(tunnel_address(entry), "D"),
        }
        for address, entry in first_of_peer.items()
    ]


# Genie keeps a peer's further tunnel addresses only while their attributes are those of the first.
@every_router
def test_genie_reads_show_dmvpn(genie: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    read = genie(router, "show dmvpn")["interfaces"]
    assert set(read) == set(snapshot.nhrp.interfaces)
    for name, state in snapshot.nhrp.interfaces.items():
        entries = peers(snapshot, name)
        assert read[name]["type"] == state.role
        assert read[name]["nhrp_peers"] == len({nbma(entry) for entry in entries})
        for entry in entries:
            count = sum(nbma(other) == nbma(entry) for other in entries)
            row = read[name]["ent"][str(count)]["peers"][nbma(entry)]["tunnel_addr"][tunnel_address(entry)]
            assert row["attrb"] == {
                ATTRIBUTES.get(tunnel_address(entry), "D"): {
                    "time": since(snapshot.now, entry.changed_at),
                    "state": "UP" if entry.up else "NHRP",
                }
            }


@every_router
@pytest.mark.parametrize("command", ["show ip nhrp", "show ip nhrp detail"])
def test_genie_reads_show_ip_nhrp(genie: Read, router: str, command: str) -> None:
    snapshot = ROUTERS[router]()
    expected: dict[str, Any] = {}
    for name, state in snapshot.nhrp.interfaces.items():
        for entry in state.entries:
            if entry.via is None:
                continue  # an incomplete entry has no next hop, and Genie would take its lines for the entry above
            expire = "never expire" if entry.expires_at is None else until(snapshot.now, entry.expires_at)
            values: dict[str, Any] = {
                "nbma_address": str(entry.nbma),
                "type": entry.kind,
                "flags": " ".join(entry.flags),
                "tunnel": {
                    "tunnel_name": name,
                    "created": since(snapshot.now, entry.created_at),
                    "expire": expire,
                },
            }
            if command.endswith("detail"):
                values["preference"] = entry.preference
                for requester, request_id in entry.requesters:
                    values |= {"requester": str(requester), "request_id": str(request_id)}
            expected[str(entry.target)] = {"via": {str(entry.via): values}}
    assert genie(router, command) == expected


def test_genie_reads_show_ip_nhrp_nhs(genie: Read) -> None:
    for router in ("spoke", "branch"):
        read = genie(router, "show ip nhrp nhs")
        for name, state in ROUTERS[router]().nhrp.interfaces.items():
            assert read[name]["nhs_ip"] == {
                str(server.address): {
                    "nhs_state": server.status,
                    "nbma_address": str(server.nbma),
                    "priority": server.priority,
                    "cluster": server.cluster,
                }
                for server in state.nhs
                if server.nbma is not None  # Genie passes over a server without one
            }


def test_genie_reads_show_ip_nhrp_nhs_detail(genie: Read) -> None:
    for router in ("spoke", "branch"):
        snapshot = ROUTERS[router]()
        read = genie(router, "show ip nhrp nhs detail")
        for name, state in snapshot.nhrp.interfaces.items():
            assert set(read[name]["nhs_ip"]) == {str(server.address) for server in state.nhs}
            for server in state.nhs:
                row = read[name]["nhs_ip"][str(server.address)]
                expected: dict[str, Any] = {
                    "nhs_state": server.status,
                    "priority": server.priority,
                    "cluster": server.cluster,
                    "req_sent": server.requests_sent,
                    "req_failed": server.requests_failed,
                    "reply_recv": server.replies_received,
                    "current_request_id": server.request_id,
                    "protection_socket_requested": "FALSE",
                }
                if server.nbma is not None:
                    expected["nbma_address"] = str(server.nbma)
                if server.acknowledged_id is not None:
                    expected["ack"] = server.acknowledged_id
                if server.last_reply_at is not None:
                    expected["receive_time"] = since(snapshot.now, server.last_reply_at)
                assert row == expected
    pending = genie("branch", "show ip nhrp nhs detail")["pending_registration_requests"]
    assert pending == {"req_id": {"35915": {"ret": 64, "nhs_ip": "10.9.0.2", "nhs_state": "expired", "tunnel": "Tu10"}}}


@every_router
def test_genie_reads_show_ip_nhrp_traffic(genie: Read, router: str) -> None:
    read = genie(router, "show ip nhrp traffic")["interface"]
    for name, state in ROUTERS[router]().nhrp.interfaces.items():
        for direction, packets in (("sent", state.traffic.sent), ("rcvd", state.traffic.received)):
            counts = dict(read[name][direction])
            assert counts.pop("total") == sum(packets.values())
            assert {kind: count for kind, count in counts.items() if count} == {
                kind.lower().replace(" ", "_"): count for kind, count in packets.items()
            }


@every_router
def test_genie_reads_show_ip_nhrp_summary(genie: Read, router: str) -> None:
    read = genie(router, "show ip nhrp summary")["ip_nhrp"]
    entries = [entry for state in ROUTERS[router]().nhrp.interfaces.values() for entry in state.entries]
    for part, chosen in (
        ("total", entries),
        ("remote", [entry for entry in entries if not entry.local]),
        ("local", [entry for entry in entries if entry.local]),
    ):
        assert read[part]["entries"] == len(chosen)
        for kind in ("static", "dynamic", "incomplete"):
            assert read[part][f"{kind}_entries"] == sum(entry.kind == kind for entry in chosen)
    assert read["remote"]["nhop"] == sum("nhop" in entry.flags for entry in entries)
    assert read["remote"]["route"]["h_rib"] == sum("rib" in entry.flags for entry in entries)


@every_router
def test_ntc_reads_show_interfaces(ntc: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    rows = ntc(router, "show interfaces")
    assert [row["interface"] for row in rows] == [line.name for line in lines(snapshot)]
    for row, line in zip(rows, lines(snapshot), strict=True):
        assert row["link_status"] == line.status
        assert row["protocol_status"] == line.protocol
        assert row["description"] == (line.config.description or "")
        assert (row["ip_address"], row["prefix_length"]) == _address(line)
        assert (row["mtu"], row["bandwidth"]) == (str(mtu(line)), f"{speed(line)[0]} Kbit")
        assert row["delay"] == f"{speed(line)[1]} usec"
        counters = line.state.counters
        assert row["input_packets"] == str(counters.packets_in)
        assert row["output_packets"] == str(counters.packets_out)
        assert row["input_errors"] == str(counters.errors_in)
        assert row["output_errors"] == str(counters.errors_out)
        assert row["queue_drops"] == str(counters.drops_in)
        assert row["queue_output_drops"] == str(counters.drops_out)
        assert row["last_input"] == since(snapshot.now, counters.last_in)
        assert row["last_output"] == since(snapshot.now, counters.last_out)
        rates = tuple(int(row[f"{way}_{what}"]) for way in ("input", "output") for what in ("rate", "pps"))
        assert rates == line.state.rates


@every_router
def test_genie_reads_show_interfaces(genie: Read, genie_ios: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    read = genie(router, "show interfaces")
    assert genie_ios(router, "show interfaces") == read
    assert list(read) == [line.name for line in lines(snapshot)]
    for line in lines(snapshot):
        row, counters = read[line.name], line.state.counters
        assert row["enabled"] == line.state.admin_up
        assert row["line_protocol"] == line.protocol
        assert row.get("description") == line.config.description
        address = line.config.ip_address
        assert list(row.get("ipv4", [])) == ([] if address is None else [str(address.interface)])
        assert row["mtu"] == mtu(line)
        assert (row["bandwidth"], row["delay"]) == speed(line)
        assert row["last_input"] == since(snapshot.now, counters.last_in)
        assert row["last_output"] == since(snapshot.now, counters.last_out)
        read_counters = row["counters"]
        assert read_counters["last_clear"] == since(snapshot.now, line.state.cleared_at)
        assert read_counters["in_pkts"] == counters.packets_in
        assert read_counters["in_octets"] == counters.bytes_in
        assert read_counters["out_pkts"] == counters.packets_out
        assert read_counters["out_octets"] == counters.bytes_out
        assert read_counters["in_multicast_pkts"] == counters.multicast_in
        assert read_counters["in_errors"] == counters.errors_in
        assert read_counters["out_errors"] == counters.errors_out
        assert row["queues"]["input_queue_drops"] == counters.drops_in
        assert row["queues"]["total_output_drop"] == counters.drops_out
        rate = read_counters["rate"]
        assert (rate["in_rate"], rate["in_rate_pkts"], rate["out_rate"], rate["out_rate_pkts"]) == line.state.rates
        if line.is_tunnel:
            assert row["tunnel_ttl"] == line.config.tunnel.ttl
            assert row["tunnel_transport_mtu"] == transport_mtu(snapshot, line)


def test_genie_reads_loads_and_tunnel_ends(genie: Read) -> None:
    read = genie("branch", "show interfaces")
    assert (read["Tunnel10"]["txload"], read["Tunnel10"]["rxload"]) == ("31/255", "127/255")
    assert read["Tunnel10"]["tunnel_source_ip"] == "7.7.7.7"
    assert read["Tunnel10"]["tunnel_source_interface"] == "Loopback0"
    assert read["Tunnel2"]["tunnel_source_ip"] == "203.0.113.7"
    assert read["Tunnel2"]["tunnel_destination_ip"] == "203.0.113.9"
    assert read["GigabitEthernet0/1"]["mac_address"] == "0200.0000.0701"


@every_router
def test_both_read_show_interfaces_description(ntc: Read, genie: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    read = genie(router, "show interfaces description")["interfaces"]
    rows = ntc(router, "show interfaces description")
    for row, line in zip(rows, lines(snapshot), strict=True):
        description = line.config.description or ""
        status = "admin down" if not line.state.admin_up else line.status
        assert (row["status"], row["protocol"], row["description"]) == (status, line.protocol, description)
        assert read[line.name] == {"status": status, "protocol": line.protocol, "description": description}


@every_router
def test_both_read_show_ip_interface(ntc: Read, genie: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    read = genie(router, "show ip interface")
    for row, line in zip(ntc(router, "show ip interface"), lines(snapshot), strict=True):
        addresses = [] if line.config.ip_address is None else [line.config.ip_address]
        addresses += line.config.secondary.values()
        assert (row["interface"], row["link_status"], row["protocol_status"]) == (line.name, line.status, line.protocol)
        assert row["ip_address"] == [str(address.address) for address in addresses]
        assert row["vrf"] == (line.config.vrf or "")
        assert read[line.name]["enabled"] == line.state.admin_up
        assert read[line.name]["oper_status"] == line.protocol
        if addresses:
            assert row["mtu"] == str(ip_mtu(snapshot, line))
            assert read[line.name]["mtu"] == ip_mtu(snapshot, line)
            assert set(read[line.name]["ipv4"]) == {str(address.interface) for address in addresses}
            assert read[line.name].get("vrf") == line.config.vrf


@every_router
def test_both_read_show_ip_interface_brief(ntc: Read, genie: Read, genie_ios: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    read = genie(router, "show ip interface brief")["interface"]
    assert genie_ios(router, "show ip interface brief")["interface"] == read
    for row, line in zip(ntc(router, "show ip interface brief"), lines(snapshot), strict=True):
        address = "unassigned" if line.config.ip_address is None else str(line.config.ip_address.address)
        assert row == {"interface": line.name, "ip_address": address, "status": line.status, "proto": line.protocol}
        seen = read[line.name]
        assert (seen["ip_address"], seen["status"], seen["protocol"]) == (address, line.status, line.protocol)
        manual = "unset" if line.config.ip_address is None else "manual"
        assert seen["method"] == ("NVRAM" if line.name in snapshot.from_startup else manual)


@pytest.mark.parametrize("router", ["hub", "branch"])
def test_ntc_reads_show_ip_route(ntc: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    read = {
        (
            row["protocol"],
            f"{row['network']}/{row['prefix_length']}",
            row["distance"],
            row["metric"],
            row["nexthop_ip"],
            row["nexthop_if"],
            row["uptime"],
        )
        for row in ntc(router, "show ip route")
    }
    assert read == {
        (
            route.code,
            str(route.network),
            str(route.distance) if route.next_hop else "",
            str(route.metric) if route.next_hop else "",
            str(route.next_hop or ""),
            route.interface or "",
            duration(snapshot.now - route.since) if route.since is not None else "",
        )
        for route in snapshot.routes
    }


@pytest.mark.parametrize("router", ["hub", "branch"])
def test_genie_reads_show_ip_route(genie: Read, genie_ios: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    for client in (genie, genie_ios):
        read = client(router, "show ip route")["vrf"]["default"]["address_family"]["ipv4"]["routes"]
        assert set(read) == {str(route.network) for route in snapshot.routes}
        for route in snapshot.routes:
            row = read[str(route.network)]
            assert row["source_protocol"] == ROUTE_SOURCES[route.code]
            if route.next_hop is None:
                assert list(row["next_hop"]["outgoing_interface"]) == [route.interface]
                continue
            assert (row["route_preference"], row["metric"]) == (route.distance, route.metric)
            hops = {hop["next_hop"]: hop for hop in row["next_hop"]["next_hop_list"].values()}
            assert hops[str(route.next_hop)].get("outgoing_interface") == route.interface
            if route.since is not None:
                assert hops[str(route.next_hop)]["updated"] == duration(snapshot.now - route.since)


def test_genie_reads_one_route(genie: Read) -> None:
    read = genie("branch", "show ip route 10.9.0.5")["entry"]["10.9.0.0/24"]
    assert (read["known_via"], read["distance"], read["metric"]) == ("connected", "0", "0")
    assert read["paths"]["1"]["interface"] == "Tunnel10"


@pytest.mark.parametrize("router", ["hub", "branch"])
def test_both_read_show_ip_route_summary(ntc: Read, genie: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    networks = {route.network: route.code for route in snapshot.routes}
    connected = sum(code in "CL" for code in networks.values())
    static = sum(code == "S" for code in networks.values())
    rows = {row["route_source"]: row for row in ntc(router, "show ip route summary")}
    read = genie(router, "show ip route summary")["vrf"]["default"]["route_source"]
    for source, count in (("connected", connected), ("static", static)):
        assert int(rows[source]["networks"]) + int(rows[source]["subnets"]) == count
        assert read[source]["networks"] + read[source]["subnets"] == count


@every_router
def test_ntc_reads_show_version(ntc: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    (row,) = ntc(router, "show version")
    assert row["version"] == "15.9(3)M"
    assert row["hostname"] == snapshot.config.hostname
    assert row["uptime"] == uptime(snapshot.now - snapshot.started_at)
    assert row["serial"] == [snapshot.board_id]
    assert row["hardware"] == ["IOSISH"]
    assert row["reload_reason"] == snapshot.reload_reason
    assert row["config_register"] == "0x2102"


@every_router
def test_genie_reads_show_version(genie: Read, genie_ios: Read, router: str) -> None:
    snapshot = ROUTERS[router]()
    for client in (genie, genie_ios):
        read = client(router, "show version")["version"]
        assert (read["version"], read["version_short"], read["os"]) == ("15.9(3)M", "15.9", "IOS")
        assert (read["chassis"], read["processor_type"]) == ("IOSISH", snapshot.machine)
        assert read["hostname"] == snapshot.config.hostname
        assert read["uptime"] == uptime(snapshot.now - snapshot.started_at)
        assert read["chassis_sn"] == snapshot.board_id
        assert read["main_mem"] == str(snapshot.memory_kb)
        assert read["last_reload_reason"] == snapshot.reload_reason
        assert read["curr_config_register"] == "0x2102"


def test_both_read_show_clock(ntc: Read, genie: Read) -> None:
    expected = {"time": "18:57:38.347", "timezone": "UTC", "month": "Nov", "day": "4", "year": "2026"}
    (row,) = ntc("hub", "show clock")
    assert row == {**expected, "dayweek": "Wed"}
    for router in ("hub", "spoke"):
        assert genie(router, "show clock") == {**expected, "day_of_week": "Wed"}


def test_both_read_show_users(ntc: Read, genie: Read) -> None:
    console, vty = ntc("hub", "show users")
    assert (console["line"], console["idle"]) == ("*  0 con 0", "00:00:00")
    assert vty == {"line": "2 vty 0", "user": "admin", "hosts": "idle", "idle": "00:01:15", "location": "10.0.0.9"}
    read = genie("hub", "show users")["line"]
    assert (read["0 con 0"]["active"], read["2 vty 0"]["active"]) == (True, False)
    assert (read["2 vty 0"]["user"], read["2 vty 0"]["location"]) == ("admin", "10.0.0.9")


@pytest.mark.parametrize("router", ["hub", "branch"])
@pytest.mark.parametrize("command", ["show arp", "show ip arp"])
def test_both_read_show_arp(ntc: Read, genie: Read, router: str, command: str) -> None:
    snapshot = ROUTERS[router]()
    rows = {row.get("address") or row["ip_address"]: row for row in ntc(router, command)}
    assert set(rows) == {str(entry.address) for entry in snapshot.arp}
    read = genie(router, command)["interfaces"]
    for entry in snapshot.arp:
        row = rows[str(entry.address)]
        age = "-" if entry.age_s is None else str(int(entry.age_s // 60))
        assert age == (row.get("age_min") or row["age"])
        if entry.mac is not None:
            digits = entry.mac.replace(":", "")
            mac = ".".join(digits[place : place + 4] for place in (0, 4, 8))
            assert mac == (row.get("hardware_address") or row["mac_address"])
            neighbour = read[entry.interface]["ipv4"]["neighbors"][str(entry.address)]
            assert (neighbour["link_layer_address"], neighbour["age"]) == (mac, age)


def test_ntc_reads_show_adjacency(ntc: Read) -> None:
    desired = ROUTERS["hub"]().desired
    rows = {row["endpoint"]: row for row in ntc("hub", "show adjacency detail")}
    assert rows["172.16.15.1"]["rewrite_headers"] == ["AABBCC000500AABBCC0001000800"]
    for (interface, address), index in desired.neighbours.items():
        assert rows[str(address)]["recursive_nexthop"] == str(desired.tunnels[interface].adjacencies[index])
        assert {row["interface"] for row in ntc("hub", "show adjacency") if row["endpoint"] == str(address)} == {
            interface
        }


@pytest.mark.parametrize("router", ["hub", "branch"])
def test_both_read_the_lines_of_show_logging(ntc: Read, genie: Read, router: str) -> None:
    records = ROUTERS[router]().log
    for row, record in zip(ntc(router, "show logging"), records, strict=True):
        if record.facility:
            assert (row["facility"], row["severity"], row["mnemonic"]) == (
                record.facility,
                str(record.severity),
                record.mnemonic,
            )
            assert row["message"] == [record.text]
        else:  # a line of debug
            assert row["message"] == [log_line(record)]
        assert row["number"] == (f"{record.sequence:06}" if record.numbered and record.facility else "")
    assert len(genie(router, "show logging")["logs"]) == len(records)


def test_genie_reads_the_figures_of_show_logging(genie: Read) -> None:
    read = genie("branch", "show logging")
    counted = read["syslog_logging"]["enabled"]["counters"]
    assert (counted["messages_dropped"], counted["messages_rate_limited"]) == (5, 4711)
    assert read["logging"]["console"] == {"status": "disabled"}
    monitor, buffer, trap = (read["logging"][name] for name in ("monitor", "buffer", "trap"))
    assert (monitor["level"], monitor["messages_logged"]) == ("warnings", 2)
    assert (buffer["level"], buffer["messages_logged"]) == ("debugging", 13)
    assert (trap["level"], trap["message_lines_logged"]) == ("informational", 12)
    assert read["log_buffer_bytes"] == 64000
    assert genie("hub", "show logging")["logging"]["console"]["messages_logged"] == 2


def test_both_read_show_inventory(ntc: Read, genie: Read) -> None:
    (row,) = ntc("hub", "show inventory")
    assert (row["pid"], row["sn"]) == ("IOSISH", "IOSISH4711")
    assert genie("hub", "show inventory")["main"]["chassis"]["IOSISH"]["sn"] == "IOSISH4711"


def _address(line: Line) -> tuple[str, str]:
    if line.config.ip_address is None:
        return "", ""
    address, length = str(line.config.ip_address.interface).split("/")
    return address, length
