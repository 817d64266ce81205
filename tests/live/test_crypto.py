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
    sending,
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
        with sending(clear_lab, {"R1": ("192.168.0.3",), "R2": (HUB, "192.168.0.4"), "R4": ("192.168.0.99",)}):
            expect_readable(watch)
            for router in PROTECTED:
                clear_lab.configure(router, CRYPTO)
                line_at[router] = time.time()
            expect_encrypted_cloud(clear_lab, 60.0)
        for router in PROTECTED:
            clear_lab.configure(router, BUMP)
        expect_encrypted_cloud(clear_lab, 60.0)
        for spoke in SPOKES:
            assert "(5/5)" in clear_lab.console(spoke, f"ping {HUB}")
        leaks = leaks_since(watch, line_at)
        assert not leaks, "\n".join(leaks[:20])
        assert watch.count(lambda packet: packet.protocol == ESP) > 0
    table = clear_lab.console("R1", "show crypto isakmp sa")
    for spoke in SPOKES:
        assert re.search(rf"^172\.16\.15\.2 +{NBMA[spoke]} +QM_IDLE +10\d\d ACTIVE$", table, re.MULTILINE)


def expect_readable(watch: WireWatch) -> None:
    """The watch sees what it is there for."""
    until(lambda: leaks_since(watch, dict.fromkeys(PROTECTED, 0.0)), "something can be read on the wires")


def test_the_watch_sees_every_kind_of_leak(clear_lab: Lab) -> None:
    """It would be worth nothing if it could not."""

    def kinds() -> set[str]:
        found = set()
        for line in leaks_since(watch, dict.fromkeys(PROTECTED, 0.0)):
            _, source, _, destination, _, protocol, payload, *_ = line.split()
            quoted = "quoting" if protocol == "1:" and payload.startswith("03") else ""
            found.add(f"{source} {destination} {protocol}{quoted}")
        return found

    hub, spoke = NBMA["R1"], NBMA["R2"]
    with WireWatch(clear_lab) as watch:
        assert "(5/5)" in clear_lab.console("R2", f"ping {HUB}")
        until(lambda: {f"{spoke} {hub} 47:", f"{hub} {spoke} 47:"} <= kinds(), "clear GRE is seen")
        clear_lab.configure("R2", "interface Tunnel0\n shutdown")
        clear_lab.console("R2", f"ping {HUB} repeat 2 timeout 1")
        until(lambda: f"{spoke} {HUB} 1:" in kinds(), "an inner packet that took the default route is seen")
        until(lambda: f"172.16.25.1 {spoke} 1:quoting" in kinds(), "one that an ICMP error quotes is seen")


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
        "clear dmvpn session static",
    ],
)
@pytest.mark.parametrize("router", ["R1", "R2"])
def test_b5_each_clear_rebuilds_by_itself(crypto: Lab, router: str, command: str) -> None:
    crypto.console(router, command)
    until(lambda: "(1/1)" in crypto.look("R2", f"ping {HUB} repeat 1 timeout 1"), "the hub answers R2", SECONDS)
    expect_encrypted_cloud(crypto)
    assert "(5/5)" in crypto.console("R2", f"ping {HUB}")
    assert "(5/5)" in crypto.console("R3", "ping 192.168.0.4")


def log_lines(lab: Lab, router: str, pattern: str) -> list[str]:
    """The lines of `show logging` in which a regular expression is found."""
    return [line for line in lab.look(router, "show logging").split("\n") if re.search(pattern, line)]


@pytest.mark.parametrize(
    ("first", "then"), [(("R1",), ("R2", "R3", "R4")), (("R2", "R3", "R4"), ("R1",))], ids=["hub", "spokes"]
)
def test_b4_one_sided_crypto_heals_when_the_other_side_follows(
    clear_lab: Lab, first: tuple[str, ...], then: tuple[str, ...]
) -> None:
    with WireWatch(clear_lab) as watch:
        line_at = {}
        for router in first:
            clear_lab.configure(router, CRYPTO)
            line_at[router] = time.time()
        for router in first:
            until(lambda at=router: not clear_lab.up_peers(at), f"{router} has nobody who is UP", SECONDS)  # type: ignore[misc]
        for router, peer, target in (("R1", "R2", HUB), ("R2", "R1", SPOKES["R2"])):
            if router in first:
                assert "(0/2)" in clear_lab.console(peer, f"ping {target} repeat 2 timeout 1")
                own = NBMA[router]
                refused = f"%CRYPTO-4-RECVD_PKT_NOT_IPSEC: .* vrf/dest_addr= /{own}, src_addr= {NBMA[peer]}, prot= 47"
                until(lambda at=router, line=refused: log_lines(clear_lab, at, line), f"{router} says: {refused}")  # type: ignore[misc]
        for router in then:
            clear_lab.configure(router, CRYPTO)
            line_at[router] = time.time()
        expect_encrypted_cloud(clear_lab, 60.0)
        assert leaks_since(watch, line_at) == []


@pytest.mark.parametrize("forgotten", ["key", "policy", "transform set", "profile"])
def test_half_of_the_lines_do_nothing_and_the_rest_heals_it(crypto: Lab, forgotten: str) -> None:
    """The tunnel of one spoke is down, which says why where it is the router's own doing; the others are up."""
    line = {
        "key": "crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0",
        "policy": "crypto isakmp policy 10",
        "transform set": "crypto ipsec transform-set MyTransformSet",
        "profile": "crypto ipsec profile MyProfile",
    }[forgotten]
    reason = {
        "key": "%CRYPTO-6-IKMP_NO_PRESHARED_KEY: Pre-shared key for remote peer at 172.16.15.2 is missing",
        "policy": None,  # there are those of the factory, and the hub has none of them
        "transform set": "Tunnel0 stays down: tunnel protection: .*MyTransformSet",
        "profile": "Tunnel0 stays down: tunnel protection: IPsec profile MyProfile is not configured",
    }[forgotten]
    crypto.configure("R4", f"no {line}")
    try:
        crypto.console("R4", "clear crypto session")
        until(lambda: SPOKES["R4"] not in crypto.up_peers("R1"), "R4 is not UP on the hub", SECONDS)
        if reason is not None:
            until(lambda: log_lines(crypto, "R4", reason), "R4 says why", SECONDS)
        assert crypto.up_peers("R1") == {SPOKES["R2"], SPOKES["R3"]}
    finally:
        crypto.configure("R4", CRYPTO)
    until(lambda: SPOKES["R4"] in crypto.up_peers("R1"), "R4 is UP again", 60.0)


def test_b6_a_wrong_key_keeps_one_spoke_down_and_both_logs_say_which_and_why(crypto: Lab) -> None:
    hub, spoke = NBMA["R1"], NBMA["R3"]
    bad = "%CRYPTO-4-IKMP_BAD_MESSAGE: IKE message from {} failed its sanity check or is malformed"
    failure = (
        "%CRYPTO-5-IKMP_SETUP_FAILURE: IKE SETUP FAILED for local:{0} local_id:{0} remote:{1} remote_id:{1} "
        "IKE profile:None fvrf:None fail_reason:message 5 is {2}: Pre-Shared Key mismatch\\?"
    )
    try:
        crypto.configure("R3", "crypto isakmp key WrongWord address 172.16.0.0 255.255.0.0")
        crypto.console("R3", "clear crypto session")
        crypto.console("R1", f"clear crypto session remote {spoke}")
        until(lambda: "192.168.0.3" not in crypto.up_peers("R1"), "R3 is not UP on the hub", SECONDS)
        for router, line in (
            ("R1", bad.format(spoke)),
            ("R1", failure.format(hub, spoke, "malformed")),
            ("R3", failure.format(spoke, hub, "not answered")),  # known when it had to be sent again
        ):
            until(lambda at=router, line=line: log_lines(crypto, at, line), f"{router} says: {line}", SECONDS)  # type: ignore[misc]
        assert crypto.up_peers("R1") == {SPOKES["R2"], SPOKES["R4"]}
        assert "(5/5)" in crypto.console("R2", f"ping {HUB}")
        wrong = "IKMP_|INV_SPI|MAC_ERR"
        assert all(spoke in line for line in log_lines(crypto, "R1", wrong))
        for other in ("R2", "R4"):
            assert all(spoke in line for line in log_lines(crypto, other, wrong))
    finally:
        crypto.configure("R3", "crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0")
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
