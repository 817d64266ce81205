"""`debug crypto isakmp` and `debug crypto ipsec`: IOS's words, only when wanted, and no secret in any line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iosish.engine import DebugEvent
from iosish.ike.config import Cipher
from tests.ike.link import HUB, POLICY, SPOKE, TRANSPORT, Station, World, config

ALL = frozenset({"crypto isakmp", "crypto isakmp error", "crypto ipsec", "crypto ipsec error"})


def run(topics: frozenset[str], seconds: float = 2, **of_hub: object) -> tuple[Station, Station]:
    world = World()
    hub, spoke = world.add(HUB, config(HUB, **of_hub)), world.add(SPOKE)
    for station in (hub, spoke):
        station.engine.debug = topics
    spoke.request(HUB)
    world.run(seconds)
    return hub, spoke


def test_nothing_unless_it_is_wanted() -> None:
    assert [station.debug for station in run(frozenset())] == [[], []]


def states(station: Station) -> list[str]:
    return [line.split(":", 1)[1] for line in station.debug if "Old State" in line]


def test_the_state_machine_of_both_ends() -> None:
    hub, spoke = run(frozenset({"crypto isakmp"}))
    assert states(spoke) == [
        "(0):Old State = IKE_READY  New State = IKE_I_MM1",
        "(0):Old State = IKE_I_MM1  New State = IKE_I_MM2",
        "(0):Old State = IKE_I_MM2  New State = IKE_I_MM3",
        "(0):Old State = IKE_I_MM3  New State = IKE_I_MM4",
        "(1001):Old State = IKE_I_MM4  New State = IKE_I_MM5",
        "(1001):Old State = IKE_I_MM5  New State = IKE_I_MM6",
        "(1001):Old State = IKE_I_MM6  New State = IKE_P1_COMPLETE",
        "(1001):Old State = IKE_QM_READY  New State = IKE_QM_I_QM1",
        "(1001):Old State = IKE_QM_I_QM1  New State = IKE_QM_PHASE2_COMPLETE",
    ]
    assert states(hub) == [
        "(0):Old State = IKE_READY  New State = IKE_R_MM1",
        "(0):Old State = IKE_R_MM1  New State = IKE_R_MM2",
        "(0):Old State = IKE_R_MM2  New State = IKE_R_MM3",
        "(1001):Old State = IKE_R_MM3  New State = IKE_R_MM4",
        "(1001):Old State = IKE_R_MM4  New State = IKE_R_MM5",
        "(1001):Old State = IKE_R_MM5  New State = IKE_P1_COMPLETE",
        "(1001):Old State = IKE_QM_READY  New State = IKE_QM_SPI_STARVE",
        "(1001):Old State = IKE_QM_SPI_STARVE  New State = IKE_QM_R_QM2",
        "(1001):Old State = IKE_QM_R_QM2  New State = IKE_QM_PHASE2_COMPLETE",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "ISAKMP:(0):found peer pre-shared key matching 172.16.15.2",
        "ISAKMP:(0):Can not start Aggressive mode, trying Main mode.",
        "ISAKMP:(0): constructed NAT-T vendor-rfc3947 ID",
        "ISAKMP:(0):Input = IKE_MESG_FROM_IPSEC, IKE_SA_REQ_MM",
        "ISAKMP:(0): beginning Main Mode exchange",
        "ISAKMP:(0): sending packet to 172.16.15.2 my_port 500 peer_port 500 (I) MM_NO_STATE",
        "ISAKMP (0): received packet from 172.16.15.2 dport 500 sport 500 Global (I) MM_NO_STATE",
        "ISAKMP:(0):Checking ISAKMP transform 1 against priority 10 policy",
        "ISAKMP:      encryption AES-CBC",
        "ISAKMP:      keylength of 128",
        "ISAKMP:      hash SHA",
        "ISAKMP:      default group 2",
        "ISAKMP:      auth pre-share",
        "ISAKMP:      life type in seconds",
        "ISAKMP:      life duration (VPI) of  0x0 0x1 0x51 0x80",
        "ISAKMP:(0):atts are acceptable. Next payload is 0",
        "ISAKMP:(0): processing KE payload. message ID = 0",
        "ISAKMP:(1001): vendor ID is DPD",
        "ISAKMP (1001): No NAT Found for self or peer",
        "ISAKMP:(1001):Send initial contact",
        "        address      : 172.16.15.2",
        "ISAKMP:(1001):SA has been authenticated with 172.16.15.2",
    ],
)
def test_lines_of_the_initiator(line: str) -> None:
    assert line in run(frozenset({"crypto isakmp"}))[1].debug


def test_quick_mode_in_its_words() -> None:
    hub, spoke = run(frozenset({"crypto isakmp"}))
    assert any(line.startswith("ISAKMP:(1001):beginning Quick Mode exchange, M-ID of ") for line in spoke.debug)
    at = hub.debug.index("ISAKMP:(1001):Checking IPSec proposal 1")
    assert hub.debug[at + 1 : at + 11] == [
        "ISAKMP: transform 1, ESP_AES",
        "ISAKMP:   attributes in transform:",
        "ISAKMP:      encaps is 1 (Tunnel)",
        "ISAKMP:      SA life type in seconds",
        "ISAKMP:      SA life duration (basic) of 3600",
        "ISAKMP:      SA life type in kilobytes",
        "ISAKMP:      SA life duration (VPI) of  0x0 0x46 0x50 0x0",
        "ISAKMP:      authenticator is HMAC-SHA",
        "ISAKMP:      key length is 128",
        "ISAKMP:(1001):atts are acceptable.",
    ]


def test_the_ipsec_topic() -> None:
    _, spoke = run(frozenset({"crypto ipsec"}))
    assert "IPSEC(sa_request): ," in spoke.debug
    assert "    protocol= ESP, transform= esp-aes esp-sha-hmac (Tunnel)," in spoke.debug
    assert spoke.debug.count("IPSEC(create_sa): sa created,") == 2
    assert not any("ISAKMP" in line for line in spoke.debug)


def test_what_does_not_fit_is_an_error_and_stands_in_the_whole_too() -> None:
    other = replace(POLICY, cipher=Cipher.DES, key_bits=0)
    for topic in ("crypto isakmp error", "crypto isakmp"):
        hub, _ = run(frozenset({topic}), policies=(other,))
        assert "ISAKMP:(0):Encryption algorithm offered does not match policy!" in hub.debug
        assert "ISAKMP:(0):no offers accepted!" in hub.debug
        assert ("ISAKMP:      hash SHA" in hub.debug) is (topic == "crypto isakmp")
    hub, _ = run(frozenset({"crypto isakmp error", "crypto ipsec error"}), sets=(replace(TRANSPORT, require=True),))
    assert "ISAKMP:(1001): phase 2 SA policy not acceptable! (local 172.16.15.2 remote 172.16.25.2)" in hub.debug
    assert "IPSEC(ipsec_process_proposal): proposal not supported: tunnel mode" in hub.debug


def test_every_line_is_about_a_peer() -> None:
    for station, peer in zip(run(ALL), (SPOKE, HUB), strict=True):
        events = [event for event in station.events if isinstance(event, DebugEvent)]
        assert len(events) > 50
        assert {event.peer for event in events} == {peer}
        assert not any("\n" in event.text for event in events)


def test_no_secret_in_any_line_or_repr() -> None:
    hub, spoke = run(ALL)
    seen = "\n".join((*hub.debug, *spoke.debug, *hub.log, *spoke.log))
    seen += repr((hub.engine.state(0.0), spoke.engine.state(0.0), list(hub.sas.values()), list(hub.engine._core.sas)))
    out = spoke.outbound(HUB)
    assert out is not None
    keys = next(iter(spoke.engine._core.sas)).keys
    assert keys is not None
    for secret in (out.encryption_key, out.integrity_key, keys.d, keys.a, keys.cipher_key, keys.skeyid):
        assert secret.hex() not in seen.lower() and repr(secret) not in seen
    assert "P4ssw0rd" not in seen
