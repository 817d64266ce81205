"""The classic lab with its crypto (steps B1, B3 to B6), as those see it who sit at the consoles and at the wires."""

from __future__ import annotations

import re
import time

import pytest

from tests.live.crypto import (
    BUMP,
    CRYPTO,
    PROTECTED,
    SECONDS,
    expect_encrypted_cloud,
    expect_idle,
    leaks_since,
)
from tests.live.lab import HUB, SPOKES, Lab, until
from tests.live.wire_watch import ESP, NBMA, UDP, WireWatch

pytestmark = pytest.mark.live


def packets_by_esp(lab: Lab, router: str, peer: str) -> tuple[int, int]:
    """Encapsulated and decapsulated packets in `show crypto ipsec sa peer`, over all of its flows."""
    screen = lab.look(router, f"show crypto ipsec sa peer {peer}")
    out = sum(int(count) for count in re.findall(r"#pkts encaps: (\d+)", screen))
    back = sum(int(count) for count in re.findall(r"#pkts decaps: (\d+)", screen))
    return out, back


def test_b1_eight_lines_turn_the_cloud_into_an_encrypted_one(clear_lab: Lab) -> None:
    with WireWatch(clear_lab) as watch:
        line_at: dict[str, float] = {}
        for router in PROTECTED:
            clear_lab.configure(router, CRYPTO)
            line_at[router] = time.time()
        for router in PROTECTED:
            clear_lab.configure(router, BUMP)
        expect_encrypted_cloud(clear_lab)
        for spoke in SPOKES:
            assert "(5/5)" in clear_lab.console(spoke, f"ping {HUB}")
        assert leaks_since(watch, line_at) == []
        assert watch.count(lambda packet: packet.protocol == ESP) > 0
    table = clear_lab.console("R1", "show crypto isakmp sa")
    for spoke in SPOKES:
        assert re.search(rf"^172\.16\.15\.2 +{NBMA[spoke]} +QM_IDLE +10\d\d ACTIVE$", table, re.MULTILINE)


def test_b3_spokes_build_their_own_pair_and_no_ping_is_lost(crypto: Lab) -> None:
    assert "(5/5)" in crypto.console("R2", "ping 192.168.0.4")
    crypto.expect_peers(
        "R2", {HUB: ("172.16.15.2", "UP", "S"), "192.168.0.4": ("172.16.45.2", "UP", "D")}, ceiling_s=SECONDS
    )
    crypto.expect_up("R4", [HUB, "192.168.0.2"])
    expect_idle(crypto, "R2", {NBMA["R1"], NBMA["R4"]})
    before = packets_by_esp(crypto, "R2", NBMA["R4"])
    assert "(20/20)" in crypto.console("R2", "ping 192.168.0.4 repeat 20")
    after = packets_by_esp(crypto, "R2", NBMA["R4"])
    assert after[0] >= before[0] + 20 and after[1] >= before[1] + 20
    screen = crypto.console("R2", f"show crypto ipsec sa peer {NBMA['R4']}")
    assert "local  ident (addr/mask/prot/port): (172.16.25.2/255.255.255.255/47/0)" in screen
    assert "remote ident (addr/mask/prot/port): (172.16.45.2/255.255.255.255/47/0)" in screen


def test_a_long_ping_from_spoke_to_spoke_loses_nothing_in_the_switch(crypto: Lab) -> None:
    crypto.console("R3", "clear ip nhrp")
    crypto.console("R4", "clear ip nhrp")
    for spoke in ("R3", "R4"):
        crypto.settle(spoke)
    assert "(500/500)" in crypto.console("R3", "ping 192.168.0.4 repeat 500")


@pytest.mark.parametrize(
    "command",
    [
        "clear crypto sa",
        "clear crypto isakmp",
        "clear crypto session",
        "clear ip nhrp",
        "clear dmvpn session",
    ],
)
@pytest.mark.parametrize("router", ["R1", "R2"])
def test_b5_each_clear_rebuilds_by_itself(crypto: Lab, router: str, command: str) -> None:
    crypto.console(router, command)
    until(lambda: "(1/1)" in crypto.look("R2", f"ping {HUB} repeat 1 timeout 1"), "the hub answers R2", SECONDS)
    expect_encrypted_cloud(crypto)
    assert "(5/5)" in crypto.console("R2", f"ping {HUB}")
    assert "(5/5)" in crypto.console("R3", "ping 192.168.0.4")


def test_b4_one_sided_crypto_heals_when_the_other_side_follows(clear_lab: Lab) -> None:
    with WireWatch(clear_lab) as watch:
        line_at = {}
        clear_lab.configure("R1", CRYPTO)
        line_at["R1"] = time.time()
        until(lambda: not clear_lab.up_peers("R1"), "no spoke is UP on the hub", SECONDS)
        assert "is refused" in until(
            lambda: [line for line in clear_lab.look("R1", "show logging").split("\n") if "refused" in line],
            "the hub says that it refuses clear packets",
        )[0].replace("are refused", "is refused")
        for router in ("R2", "R3", "R4"):
            clear_lab.configure(router, CRYPTO)
            line_at[router] = time.time()
        expect_encrypted_cloud(clear_lab, 60.0)
        assert leaks_since(watch, line_at) == []


def test_b6_a_wrong_key_keeps_one_spoke_down_and_the_log_says_which(crypto: Lab) -> None:
    wrong = "crypto isakmp key WrongWord address 172.16.0.0 255.255.0.0"
    right = "crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0"
    try:
        crypto.configure("R3", wrong)
        crypto.console("R3", "clear crypto session")
        crypto.console("R1", f"clear crypto session remote {NBMA['R3']}")
        until(lambda: "192.168.0.3" not in crypto.up_peers("R1"), "R3 is not UP on the hub", SECONDS)
        bad = re.compile(r"%CRYPTO-4-IKMP_BAD_MESSAGE.*" + re.escape(NBMA["R3"]))
        until(lambda: bad.search(crypto.look("R1", "show logging")), "the hub says whose message is bad", SECONDS)
        assert {"192.168.0.2", "192.168.0.4"} <= crypto.up_peers("R1")
        assert "(5/5)" in crypto.console("R2", f"ping {HUB}")
    finally:
        crypto.configure("R3", right)
    until(lambda: "192.168.0.3" in crypto.up_peers("R1"), "R3 is UP again", 60.0)


def test_shutdown_and_no_shutdown_close_and_open_the_sockets(crypto: Lab) -> None:
    crypto.configure("R2", BUMP)
    expect_encrypted_cloud(crypto)
    log = crypto.console("R2", "show logging")
    states = re.findall(r"%DMVPN-5-CRYPTO_SS:  Tunnel0: .* remote address : 172\.16\.15\.2 socket is (\w+)", log)
    assert states[-2:] == ["DOWN", "UP"]


def test_the_wire_carries_ike_and_esp_alone(crypto: Lab, wire: WireWatch) -> None:
    crypto.console("R2", "clear crypto session")
    until(lambda: "(1/1)" in crypto.look("R2", f"ping {HUB} repeat 1 timeout 1"), "the hub answers R2", SECONDS)
    assert wire.count(lambda packet: packet.protocol == UDP and 500 in packet.ports) >= 9
    assert wire.count(lambda packet: packet.protocol == ESP) >= 2
