"""What public parsers read in `show crypto ...` is what IKE and the data plane say.

ntc-templates has templates for `ipsec sa detail` (of one peer an interface) and `session detail`; Genie has parsers for
the rest that is read here, under `os: iosxe`, and for sessions under `os: ios`. What they cannot read is said in place.
"""

from __future__ import annotations

from typing import Any

import pytest

from iosish.ike.state import FlowState, IpsecSa, IsakmpSa
from iosish.show.times import clock, duration
from iosish.snapshot import Snapshot
from tests.clients.conftest import HUB, Read
from tests.show.crypto_routers import CRYPTO_ROUTERS

pytestmark = pytest.mark.timeout(900)  # the first run installs the clients

lab = pytest.mark.parametrize("router", ["secured hub", "secured spoke"])


def responder_first(sa: IsakmpSa) -> tuple[str, str]:
    return (str(sa.peer), str(sa.local)) if sa.initiator else (str(sa.local), str(sa.peer))


def flow_of(snapshot: Snapshot) -> FlowState:
    (flow,) = snapshot.ike.flows
    return flow


def left(snapshot: Snapshot, sa: IpsecSa) -> tuple[int, int]:
    """Kilobytes and seconds that an SA has left."""
    assert sa.lifetime_kb is not None
    return sa.lifetime_kb - snapshot.sas[sa.key].octets // 1024, int(sa.expires_at - snapshot.now)


@lab
def test_genie_reads_isakmp_sa(genie: Read, router: str) -> None:
    snapshot = CRYPTO_ROUTERS[router]()
    rows = genie(router, "show crypto isakmp sa")["isakmp_stats"]["IPv4"].values()
    active = genie(router, "show crypto isakmp sa active")["isakmp_stats"]["ipv4"].values()
    for row, with_slot, sa in zip(rows, active, snapshot.ike.isakmp, strict=True):
        destination, source = responder_first(sa)
        assert row == {
            "destination": destination,
            "source": source,
            "session_state": "QM_IDLE",
            "conn_id": sa.connection_id,
            "status": "ACTIVE",
        }
        assert with_slot == {
            "dst": destination,
            "src": source,
            "state": "QM_IDLE",
            "conn_id": sa.connection_id,
            "slot": 0,
            "status": "ACTIVE",
        }


# A line with the name of an ISAKMP profile is none that Genie knows.
def test_genie_reads_what_is_deleted_and_what_is_negotiated(genie: Read) -> None:
    rows = genie("odd branch", "show crypto isakmp sa")["isakmp_stats"]["IPv4"].values()
    assert [(row["session_state"], row["conn_id"], row.get("current_status")) for row in rows] == [
        ("MM_NO_STATE", 2912, "deleted"),
        ("MM_KEY_EXCH", 0, None),
        ("MM_NO_STATE", 0, "deleted"),
        ("MM_NO_STATE", 0, None),
    ]


@lab
def test_genie_reads_isakmp_sa_detail(genie: Read, router: str) -> None:
    snapshot = CRYPTO_ROUTERS[router]()
    rows = genie(router, "show crypto isakmp sa detail")["isakmp_stats"]["IPv4"].values()
    for row, sa in zip(rows, snapshot.ike.isakmp, strict=True):
        assert sa.expires_at is not None
        assert row == {
            "c_id": sa.connection_id,
            "local_ip": str(sa.local),
            "remote_ip": str(sa.peer),
            "status": "ACTIVE",
            "encr_algo": "des",
            "hash_algo": "sha",
            "auth_type": "psk",
            "dh_group": sa.group,
            "lifetime": clock(sa.expires_at - snapshot.now),
            "capabilities": "D",
            "engine_id": "SW",
            "conn_id": sa.connection_id - 1000,
        }


def test_genie_reads_isakmp_sa_count(genie: Read) -> None:
    for router, expected in (("secured hub", (3, 0, 0, 0)), ("odd branch", (1, 0, 2, 2))):
        assert tuple(genie(router, "show crypto isakmp sa count").values()) == expected


def test_genie_reads_isakmp_peers(genie: Read) -> None:
    assert genie("secured spoke", f"show crypto isakmp peer {HUB}")["peer_entries"] == {
        "1": {"peer_ip": str(HUB), "port": 500, "local_ip": "172.16.25.2", "phase_id": str(HUB)}
    }


@pytest.mark.parametrize("router", CRYPTO_ROUTERS)
@pytest.mark.parametrize("command", ["show crypto ipsec sa", "show crypto ipsec sa detail"])
def test_genie_reads_ipsec_sa(genie: Read, router: str, command: str) -> None:
    snapshot = CRYPTO_ROUTERS[router]()
    read = genie(router, command)["interface"]
    idents = [ident for interface in read.values() for ident in interface["ident"].values()]
    flows = {(str(flow.local), str(flow.peer)): flow for flow in snapshot.ike.flows}
    assert len(idents) == len(flows)
    for ident in idents:
        flow = flows[ident["local_crypto_endpt"], ident["remote_crypto_endpt"]]
        assert (ident["local_ident"]["addr"], ident["remote_ident"]["addr"]) == (
            str(flow.selector_local),
            str(flow.selector_peer),
        )
        assert (ident["local_ident"]["prot"], ident["port"], ident["peer_ip"]) == (
            "47",
            flow.peer_port,
            str(flow.peer),
        )
        assert ident["pkts_encaps"] == sum(snapshot.sas[sa.key].packets for sa in flow.outbound)
        assert ident["pkts_decaps"] == sum(snapshot.sas[sa.key].packets for sa in flow.inbound)
        for sas, there in ((flow.inbound, ident["inbound_esp_sas"]), (flow.outbound, ident["outbound_esp_sas"])):
            assert list(there.get("spi", {})) == [f"0x{sa.key.spi:X}({sa.key.spi})" for sa in sas]
            for row, sa in zip(there.get("spi", {}).values(), sas, strict=True):
                assert (row["conn_id"], row["crypto_map"]) == (sa.connection_id, flow.crypto_map)
                if not sa.udp:  # Genie's pattern has no hyphen for "Transport UDP-Encaps"
                    assert row["in_use_settings"] == f"{sa.mode.value}, "
                assert row["iv_size"] == f"{sa.transform.iv_octets} bytes"
                assert row["status"] == "ACTIVE(ACTIVE)"


def test_genie_reads_ipsec_sa_of_one_peer_and_of_one_interface(genie: Read) -> None:
    whole = genie("secured spoke", "show crypto ipsec sa")
    assert genie("secured spoke", f"show crypto ipsec sa peer {HUB}") == whole
    detail = genie("secured spoke", "show crypto ipsec sa detail")
    assert genie("secured spoke", f"show crypto ipsec sa peer {HUB} detail") == detail
    ident = genie("secured spoke", "show crypto ipsec sa interface Tunnel0")["interface"]["Tunnel0"]["ident"]["1"]
    assert (ident["peer_ip"], ident["pkts_encaps"], ident["plaintext_mtu"]) == (str(HUB), 21, 1458)


def test_genie_reads_the_errors_of_ipsec_sa_detail(genie: Read) -> None:
    ident = genie("odd branch", "show crypto ipsec sa detail")["interface"]["Tunnel10"]["ident"]["1"]
    assert (ident["pkts_replay_failed_rcv"], ident["pkts_invalid_identity_recv"]) == (1, 4)
    short = genie("odd branch", "show crypto ipsec sa")["interface"]["Tunnel10"]["ident"]["1"]
    assert (short["send_errors"], short["recv_errors"]) == (5, 10)
    assert (short["pfs"], short["dh_group"]) == ("Y", "group14")


def test_ntc_reads_ipsec_sa_detail(ntc: Read) -> None:
    """A second peer under one interface stops the template."""
    snapshot = CRYPTO_ROUTERS["secured spoke"]()
    flow = flow_of(snapshot)
    rows = ntc("secured spoke", "show crypto ipsec sa detail")
    for row, sa in zip(rows, (*flow.inbound, *flow.outbound), strict=True):
        kilobytes, seconds = left(snapshot, sa)
        assert (row["interface"], row["crypto_map_tag"], row["current_peer"]) == (
            "Tunnel0",
            flow.crypto_map,
            str(flow.peer),
        )
        assert (row["local_ident_addr"], row["remote_ident_addr"]) == (str(flow.local), str(flow.peer))
        assert (row["pkts_encaps"], row["pkts_decaps"]) == ("21", "20")
        assert (row["sa_orientation"], row["sa_type"]) == ("inbound" if sa.key.inbound else "outbound", "esp")
        assert (row["sa_spi_hex"], row["sa_spi_dec"]) == (f"0x{sa.key.spi:X}", str(sa.key.spi))
        assert (row["sa_transform"], row["sa_in_use_settings"]) == ("esp-aes esp-sha-hmac", "Transport")
        assert (row["sa_conn_id"], row["sa_flow_id"]) == (str(sa.connection_id), f"SW:{sa.connection_id}")
        assert (row["sa_lifetime_kbytes"], row["sa_lifetime_sec"]) == (str(kilobytes), str(seconds))
        assert (row["sa_replay_detection_support"], row["sa_replay_window_size"]) == ("Y", "64")
        assert row["sa_status"] == "ACTIVE(ACTIVE)"


def test_genie_reads_ipsec_sa_count(genie: Read) -> None:
    read = genie("odd branch", "show crypto ipsec sa count")
    assert read == {"ipsec_sa_total": 6, "active": 4, "rekeying": 2, "unused": 0, "invalid": 0}


# Genie keeps one peer an interface, hence the spoke.
def test_genie_reads_session(genie: Read, genie_ios: Read) -> None:
    snapshot = CRYPTO_ROUTERS["secured spoke"]()
    flow, sa = flow_of(snapshot), snapshot.ike.isakmp[0]
    for command in ("show crypto session", "show crypto session detail"):
        for client, name in ((genie, "ike_sa"), (genie_ios, "ikev1_sa")):
            read = client("secured spoke", command)["interface"]["Tunnel0"]
            assert read["session_status"] == flow.status
            port = read["peer"][str(flow.peer)]["port"]["500"]
            row = port[name]["1"]
            assert (row["local"], row["remote"], row["sa_status"]) == (str(sa.local), str(sa.peer), "Active")
            (sas,) = port["ipsec_flow"].values()
            assert (sas["active_sas"], sas["origin"]) == (2, "crypto map")


def test_genie_reads_session_detail(genie: Read) -> None:
    snapshot = CRYPTO_ROUTERS["secured spoke"]()
    flow, sa = flow_of(snapshot), snapshot.ike.isakmp[0]
    for command in ("show crypto session detail", "show crypto session interface Tunnel0 detail"):
        read = genie("secured spoke", command)["interface"]["Tunnel0"]
        assert flow.up_since is not None and sa.expires_at is not None
        assert read["uptime"] == duration(snapshot.now - flow.up_since)
        port = read["peer"][str(flow.peer)]["port"]["500"]
        assert (port["phase1_id"], port["fvrf"], port["ivrf"]) == (flow.identity, "none", "none")
        row = port["ike_sa"]["1"]
        assert (row["conn_id"], row["capabilities"]) == (str(sa.connection_id), "D")
        assert row["lifetime"] == clock(sa.expires_at - snapshot.now)
        carried = port["ipsec_flow"][f"permit 47 host {flow.local} host {flow.peer}"]
        assert carried == expected_traffic(snapshot, flow)


def expected_traffic(snapshot: Snapshot, flow: FlowState) -> dict[str, Any]:
    values: dict[str, Any] = {"active_sas": 2, "origin": "crypto map"}
    for way, what, sa in (
        ("inbound", "decrypted", flow.inbound[0]),
        ("outbound", "encrypted", flow.outbound[0]),
    ):
        kilobytes, seconds = left(snapshot, sa)
        values[f"{way}_pkts_{what}"] = snapshot.sas[sa.key].packets
        values[f"{way}_pkts_drop"] = 0
        values[f"{way}_life_kb"] = str(kilobytes)
        values[f"{way}_life_secs"] = str(seconds)
    return values


def test_genie_reads_session_remote(genie: Read) -> None:
    plain = genie("secured spoke", f"show crypto session remote {HUB}")["interfaces"]["Tunnel0"]
    assert (plain["session_status"], plain["peer_ip"], plain["peer_port"]) == ("UP-ACTIVE", str(HUB), 500)
    assert plain["IKEv1"]["local_ip"] == "172.16.25.2"
    detail = genie("secured spoke", f"show crypto session remote {HUB} detail")["interfaces"]["Tunnel0"]
    assert (detail["phase_id"], detail["IKEv1"]["connid"]) == (str(HUB), 1001)
    assert detail["ipsec_flow"]["1"]["inbound"]["decrypted"] == 20
    assert detail["ipsec_flow"]["1"]["outbound"]["encrypted"] == 21


@pytest.mark.parametrize("router", CRYPTO_ROUTERS)
def test_ntc_reads_session_detail(ntc: Read, router: str) -> None:
    snapshot = CRYPTO_ROUTERS[router]()
    rows = {(row["local_ip"] or row["src_host"], row["peer"]): row for row in ntc(router, "show crypto session detail")}
    for flow in snapshot.ike.flows:
        row = rows[str(flow.local), str(flow.peer)]
        assert (row["session_status"], row["port"]) == (flow.status, str(flow.peer_port))
        assert row["uptime"] == ("" if flow.up_since is None else duration(snapshot.now - flow.up_since))
        assert (row["phase1_id"], row["profile"]) == (flow.identity or "(none)", flow.profile or "")
        assert (row["permit"], row["src_host"], row["dst_host"]) == (
            "47",
            str(flow.selector_local),
            str(flow.selector_peer),
        )
        assert row["active_sa"] == str(len(flow.inbound) + len(flow.outbound))


def test_ntc_reads_phase_1_of_each_session_of_the_hub(ntc: Read) -> None:
    snapshot = CRYPTO_ROUTERS["secured hub"]()
    for row, sa in zip(ntc("secured hub", "show crypto session detail"), snapshot.ike.isakmp, strict=True):
        assert sa.expires_at is not None
        assert (row["remote_ip"], row["remote_port"], row["ikev1_status"]) == (str(sa.peer), "500", "Active")
        assert (row["conn_id"], row["capabilities"]) == (str(sa.connection_id), "D")
        assert row["lifetime"] == clock(sa.expires_at - snapshot.now)


# Of the sockets of one tunnel Genie keeps the last.
@lab
def test_genie_reads_sockets(genie: Read, router: str) -> None:
    snapshot = CRYPTO_ROUTERS[router]()
    read = genie(router, "show crypto sockets")["socket_connections"]
    assert read["total_socket_connections"] == len(snapshot.ike.flows)
    assert read["sockets_in_listen_state"] == ["Tunnel0-head-0"]
    last = snapshot.ike.flows[-1]
    assert read["Tu0"]["peers"] == {"local_ip": str(last.local), "remote_ip": str(last.peer)}
    assert (read["Tu0"]["ipsec_profile"], read["Tu0"]["socket_state"]) == ("MyProfile", "Open")


@lab
def test_genie_reads_isakmp_default_policy(genie: Read, router: str) -> None:
    policies = genie(router, "show crypto isakmp default policy")["policies"]
    assert list(policies) == [str(priority) for priority in range(65507, 65515)]
    assert policies["65514"] == {
        "encryption_algorithm": "Three key triple DES",
        "hash_algorithm": "Message Digest 5",
        "authentication_method": "Pre-Shared Key",
        "diffie_hellman_group": "#2 (1024 bit)",
        "lifetime": "86400 seconds, no volume limit",
    }


def test_genie_reads_ipsec_profile(genie: Read) -> None:
    read = genie("odd branch", "show crypto ipsec profile")["ipsec_profile_name"]
    assert read["default"]["security_association_lifetime"] == "3600 seconds"
    strong = read["STRONG"]
    assert strong["security_association_lifetime"] == "100000 kilobytes/7200 seconds"
    assert (strong["psf"], strong["dh_group"], strong["mixed_mode"]) == ("Y", "group14", "Disabled")
    assert [tuple(words.values()) for words in strong["tranform_sets"].values()] == [
        ("esp-256-aes", "esp-sha256-hmac"),
        ("esp-gcm", "256"),
    ]


@pytest.mark.parametrize("router", CRYPTO_ROUTERS)
def test_genie_reads_crypto_map(genie: Read, router: str) -> None:
    snapshot = CRYPTO_ROUTERS[router]()
    read = genie(router, "show crypto map")["ipv4"]["crypto_map_tag"]
    for tag in {flow.crypto_map for flow in snapshot.ike.flows}:
        row = read[tag.lower()]
        peers = [str(flow.peer) for flow in snapshot.ike.flows if flow.crypto_map == tag]
        assert (row["peer"], row["sequence_number"]) == (peers, 65536 + len(peers))
        assert row["interfaces_crypto_map"] == {"crypto_map_tag": tag, "interfaces": [tag.removesuffix("-head-0")]}


def test_genie_reads_tunnel_protection_statistics(genie: Read) -> None:
    read = genie("secured hub", "show tunnel protection statistics")["tunnel_prot_stats"]
    assert read["message_stats"]["sent"] == {
        "listen_start": 1,
        "listen_stop": 0,
        "socket_open": 4,
        "socket_close": 1,
    }
    assert (read["message_stats"]["recieved"]["socket_up"], read["message_stats"]["recieved"]["socket_down"]) == (5, 2)
    assert read["data_stats"]["recieved"]["clear_packet_drop"] == 12
    assert read["data_stats"]["sent"]["ps_packet_drop"] == 7
