"""What ntc-templates and Genie read in the crypto screens of running routers: both ends of every SA say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from iosish import resources
from tests.clients.environment import Unavailable, ask
from tests.live.conftest import lab_of
from tests.live.crypto import PROTECTED, expect_encrypted_cloud
from tests.live.lab import HUB, SPOKES, Lab
from tests.live.wire_watch import NBMA

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]  # the first run installs the clients

HUB_NBMA = NBMA["R1"]
#: Read on every router, by Genie under these names of an operating system.
SCREENS = {
    "show crypto isakmp sa": "iosxe",
    "show crypto isakmp sa detail": "iosxe",
    "show crypto isakmp sa count": "iosxe",
    "show crypto isakmp default policy": "iosxe",
    f"show crypto isakmp peer {HUB_NBMA}": "iosxe",
    "show crypto ipsec sa": "iosxe",
    "show crypto ipsec sa detail": "iosxe",
    f"show crypto ipsec sa peer {HUB_NBMA}": "iosxe",
    "show crypto ipsec sa count": "iosxe",
    "show crypto ipsec profile": "iosxe",
    "show crypto map": "iosxe",
    "show crypto sockets": "iosxe",
    "show crypto session": "iosxe",
    "show crypto session detail": "ios",
}


class Screens:
    """All crypto screens of the lab, taken while nothing moved, and what the clients make of them."""

    def __init__(self, lab: Lab) -> None:
        places = [(router, command) for router in PROTECTED for command in SCREENS]
        text = {place: lab.console(*place) for place in places}
        self._genie = self._read("genie", {place: (text[place], SCREENS[place[1]]) for place in places})
        details = [place for place in places if place[1] == "show crypto session detail"]
        self._ntc = self._read("ntc", {place: (text[place], "") for place in details})

    @staticmethod
    def _read(client: str, screens: dict[tuple[str, str], tuple[str, str]]) -> dict[tuple[str, str], Any]:
        questions = [{"command": place[1], "text": text, "os": os} for place, (text, os) in screens.items()]
        try:
            return dict(zip(screens, ask(client, questions), strict=True))
        except Unavailable as reason:
            pytest.skip(str(reason))

    def genie(self, router: str, command: str) -> Any:
        return self._answer(self._genie, router, command)

    def ntc(self, router: str, command: str) -> Any:
        return self._answer(self._ntc, router, command)

    @staticmethod
    def _answer(answers: dict[tuple[str, str], Any], router: str, command: str) -> Any:
        found = answers[router, command]
        assert not isinstance(found, str), f"{command} of {router} cannot be read: {found}"
        return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The encrypted lab with DPD: Genie reads ISAKMP SAs of which there is something to say under Cap."""
    folder = tmp_path_factory.mktemp("dpd")
    for file in (resources.folder("running-configs") / "dmvpn-ipsec").glob("*.cfg"):
        (folder / file.name).write_text(file.read_text().replace("\nend", "\ncrypto isakmp keepalive 10 periodic\nend"))
    for lab in lab_of(str(folder)):
        expect_encrypted_cloud(lab)
        yield lab


@pytest.fixture(scope="module")
def screens(lab: Lab) -> Screens:
    for spoke in SPOKES:
        assert "(5/5)" in lab.console(spoke, f"ping {HUB}")
    lab.expect_still()
    return Screens(lab)


def peers_of(router: str) -> dict[str, str]:
    """NBMA address of each peer, by its name."""
    return {spoke: NBMA[spoke] for spoke in SPOKES} if router == "R1" else {"R1": HUB_NBMA}


@pytest.mark.parametrize("router", PROTECTED)
def test_isakmp_sa(screens: Screens, router: str) -> None:
    rows = screens.genie(router, "show crypto isakmp sa")["isakmp_stats"]["IPv4"].values()
    for row in rows:
        assert (row["session_state"], row["status"]) == ("QM_IDLE", "ACTIVE")
    # The spokes began, so the hub is the destination.
    assert {(row["destination"], row["source"]) for row in rows} == {
        (HUB_NBMA, NBMA[spoke]) for spoke in SPOKES if router in ("R1", spoke)
    }


@pytest.mark.parametrize("router", PROTECTED)
def test_isakmp_sa_detail(screens: Screens, router: str) -> None:
    rows = screens.genie(router, "show crypto isakmp sa detail")["isakmp_stats"]["IPv4"].values()
    assert {row["remote_ip"] for row in rows} == set(peers_of(router).values())
    for row in rows:
        assert row["local_ip"] == NBMA[router]
        assert (row["encr_algo"], row["hash_algo"], row["auth_type"], row["dh_group"]) == ("des", "sha", "psk", 1)
        assert (row["status"], row["capabilities"]) == ("ACTIVE", "D")
        assert re.fullmatch(r"23:5\d:\d\d", row["lifetime"])


@pytest.mark.parametrize("router", PROTECTED)
def test_isakmp_sa_count(screens: Screens, router: str) -> None:
    counts = tuple(screens.genie(router, "show crypto isakmp sa count").values())
    assert counts == (len(peers_of(router)), 0, 0, 0)  # active, standby, in negotiation, dead


@pytest.mark.parametrize("spoke", SPOKES)
def test_isakmp_peer(screens: Screens, spoke: str) -> None:
    (row,) = screens.genie(spoke, f"show crypto isakmp peer {HUB_NBMA}")["peer_entries"].values()
    assert row == {"peer_ip": HUB_NBMA, "port": 500, "local_ip": NBMA[spoke], "phase_id": HUB_NBMA}


def idents(screens: Screens, router: str, command: str = "show crypto ipsec sa") -> dict[str, Any]:
    """The flows of `show crypto ipsec sa` by peer."""
    (interface,) = screens.genie(router, command)["interface"].values()
    return {ident["peer_ip"]: ident for ident in interface["ident"].values()}


def spis(ident: dict[str, Any], way: str) -> set[str]:
    return set(ident[f"{way}_esp_sas"]["spi"])


@pytest.mark.parametrize("command", ["show crypto ipsec sa", "show crypto ipsec sa detail"])
@pytest.mark.parametrize("spoke", SPOKES)
def test_ipsec_sa_is_the_same_at_both_ends(screens: Screens, spoke: str, command: str) -> None:
    here, there = idents(screens, spoke, command)[HUB_NBMA], idents(screens, "R1", command)[NBMA[spoke]]
    assert spis(here, "inbound") == spis(there, "outbound") and spis(here, "outbound") == spis(there, "inbound")
    assert here["pkts_encaps"] == there["pkts_decaps"] >= 5
    assert here["pkts_decaps"] == there["pkts_encaps"] >= 5
    for ident, own, peer in ((here, NBMA[spoke], HUB_NBMA), (there, HUB_NBMA, NBMA[spoke])):
        assert (ident["local_ident"], ident["remote_ident"]) == (
            {"addr": own, "mask": "255.255.255.255", "prot": "47", "port": "0"},
            {"addr": peer, "mask": "255.255.255.255", "prot": "47", "port": "0"},
        )
        assert (ident["local_crypto_endpt"], ident["remote_crypto_endpt"]) == (own, peer)
        assert (ident["path_mtu"], ident["plaintext_mtu"], ident["pfs"]) == (1500, 1438, "N")
        for way in ("inbound", "outbound"):
            (sa,) = ident[f"{way}_esp_sas"]["spi"].values()
            assert (sa["transform"].split(), sa["in_use_settings"]) == (["esp-aes", "esp-sha-hmac"], "Tunnel, ")
            assert (sa["iv_size"], sa["status"]) == ("16 bytes", "ACTIVE(ACTIVE)")
            assert re.fullmatch(r"\(460\d{4}/35\d\d\)", sa["remaining_key_lifetime"])


@pytest.mark.parametrize("spoke", SPOKES)
def test_ipsec_sa_peer(screens: Screens, spoke: str) -> None:
    whole, one = (idents(screens, spoke, f"show crypto ipsec sa{words}") for words in ("", f" peer {HUB_NBMA}"))
    assert {peer: (spis(ident, "inbound"), spis(ident, "outbound")) for peer, ident in one.items()} == {
        peer: (spis(ident, "inbound"), spis(ident, "outbound")) for peer, ident in whole.items()
    }


@pytest.mark.parametrize("router", PROTECTED)
def test_ipsec_sa_count(screens: Screens, router: str) -> None:
    total = 2 * len(peers_of(router))
    assert screens.genie(router, "show crypto ipsec sa count") == {
        "ipsec_sa_total": total,
        "active": total,
        "rekeying": 0,
        "unused": 0,
        "invalid": 0,
    }


# Genie keeps one peer an interface, hence the spokes.
@pytest.mark.parametrize("command", ["show crypto session", "show crypto session detail"])
@pytest.mark.parametrize("spoke", SPOKES)
def test_session(screens: Screens, spoke: str, command: str) -> None:
    session = screens.genie(spoke, command)["interface"]["Tunnel0"]
    assert session["session_status"] == "UP-ACTIVE"
    port = session["peer"][HUB_NBMA]["port"]["500"]
    (sa,) = port["ikev1_sa" if SCREENS[command] == "ios" else "ike_sa"].values()
    assert (sa["local"], sa["remote"], sa["sa_status"]) == (NBMA[spoke], HUB_NBMA, "Active")
    (flow,) = port["ipsec_flow"].values()
    assert (flow["active_sas"], flow["origin"]) == (2, "crypto map")
    if "detail" in command:
        assert (port["phase1_id"], sa["capabilities"]) == (HUB_NBMA, "D")
        assert flow["inbound_pkts_decrypted"] >= 5 and flow["outbound_pkts_encrypted"] >= 5
        assert (flow["inbound_pkts_drop"], flow["outbound_pkts_drop"]) == (0, 0)


@pytest.mark.parametrize("router", PROTECTED)
def test_session_detail_by_ntc(screens: Screens, router: str) -> None:
    rows = {row["peer"]: row for row in screens.ntc(router, "show crypto session detail")}
    assert set(rows) == set(peers_of(router).values())
    for peer, row in rows.items():
        assert (row["interface"], row["session_status"], row["port"]) == ("Tunnel0", "UP-ACTIVE", "500")
        assert (row["local_ip"], row["remote_ip"], row["ikev1_status"]) == (NBMA[router], peer, "Active")
        assert (row["permit"], row["src_host"], row["dst_host"]) == ("47", NBMA[router], peer)
        assert (row["phase1_id"], row["capabilities"], row["active_sa"]) == (peer, "D", "2")
        assert re.fullmatch(r"00:0\d:\d\d", row["uptime"])


@pytest.mark.parametrize("router", PROTECTED)
def test_map_profile_sockets_and_policy(screens: Screens, router: str) -> None:
    peers = list(peers_of(router).values())
    row = screens.genie(router, "show crypto map")["ipv4"]["crypto_map_tag"]["tunnel0-head-0"]
    assert set(row["peer"]) == set(peers) if isinstance(row["peer"], list) else [row["peer"]] == peers
    profile = screens.genie(router, "show crypto ipsec profile")["ipsec_profile_name"]["MyProfile"]
    assert profile["security_association_lifetime"] == "4608000 kilobytes/3600 seconds"
    sockets = screens.genie(router, "show crypto sockets")["socket_connections"]
    assert sockets["total_socket_connections"] == len(peers)
    assert sockets["Tu0"]["peers"]["local_ip"] == NBMA[router] and sockets["Tu0"]["peers"]["remote_ip"] in peers
    assert (sockets["Tu0"]["ipsec_profile"], sockets["Tu0"]["socket_state"]) == ("MyProfile", "Open")
    policies = screens.genie(router, "show crypto isakmp default policy")["policies"]
    assert list(policies) == [str(number) for number in range(65507, 65515)]
