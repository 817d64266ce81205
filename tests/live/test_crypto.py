"""The classic lab with its crypto (steps B1 to B6), as somebody at the consoles and somebody on the wire sees it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.lab.laboratory import IOSISH
from tests.live.conftest import HUB, SPOKES, lab_of
from tests.live.lab import Lab, until
from tests.live.terminal import Terminal
from tests.live.wire_watch import ESP, NBMA, TRANSIT, UDP, WireWatch, foreign, readable

pytestmark = pytest.mark.live

PROTECTED = ("R1", "R2", "R3", "R4")
#: As the article has it.
CRYPTO = """\
crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0
crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
crypto ipsec profile MyProfile
 set transform-set MyTransformSet
interface Tunnel0
 tunnel protection ipsec profile MyProfile"""
BUMP = "interface Tunnel0\n shutdown\n no shutdown"
#: Everything that a person would call "in seconds".
SECONDS = 20.0


def isakmp(lab: Lab, router: str) -> dict[str, set[str]]:
    """`show crypto isakmp sa`: the states of the SAs with each peer, deleted ones left out."""
    own = NBMA[router]
    states: dict[str, set[str]] = {}
    row = re.compile(r"^(\d\S+) +(\d\S+) +(\S+) +\d+ (?:ACTIVE|STDBY) *$", re.MULTILINE)
    for one, other, state in row.findall(lab.look(router, "show crypto isakmp sa")):
        states.setdefault(other if one == own else one, set()).add(state)
    return states


def expect_idle(lab: Lab, router: str, peers: set[str]) -> None:
    """Wait until there is an ISAKMP SA in QM_IDLE with each of these peers."""

    def idle() -> bool:
        found = isakmp(lab, router)
        return all("QM_IDLE" in found.get(peer, set()) for peer in peers)

    until(idle, f"{router} has QM_IDLE with {peers}", SECONDS)


def expect_encrypted_cloud(lab: Lab, ceiling_s: float = SECONDS) -> None:
    """Three peers, three QM_IDLE on the hub."""
    until(lambda: lab.up_peers("R1") >= set(SPOKES.values()), "three spokes are UP on the hub", ceiling_s)
    expect_idle(lab, "R1", {NBMA[spoke] for spoke in SPOKES})
    for spoke in SPOKES:
        lab.settle(spoke)


def packets_by_esp(lab: Lab, router: str, peer: str) -> tuple[int, int]:
    """Encapsulated and decapsulated packets in `show crypto ipsec sa peer`, over all of its flows."""
    screen = lab.look(router, f"show crypto ipsec sa peer {peer}")
    out = sum(int(count) for count in re.findall(r"#pkts encaps: (\d+)", screen))
    back = sum(int(count) for count in re.findall(r"#pkts decaps: (\d+)", screen))
    return out, back


def leaks_since(watch: WireWatch, line_at: dict[str, float]) -> list[str]:
    """What could be read on the wires from a router after its own `tunnel protection` line, and what else was there."""
    own = {NBMA[router]: at for router, at in line_at.items()}
    last = max(line_at.values())
    return [
        str(packet)
        for packet in watch.packets()
        if (readable(packet) and packet.at > own.get(str(packet.source), last))
        or (packet.at > last and packet.source not in TRANSIT and foreign(packet))
    ]


@pytest.fixture(scope="module")
def crypto_lab() -> Iterator[Lab]:
    """The encrypted lab, with spokes that notice within seconds when their hub has forgotten them."""
    for lab in lab_of("running-configs/dmvpn-ipsec"):
        for spoke in SPOKES:
            lab.configure(spoke, "interface Tunnel0\n ip nhrp registration timeout 2")
            lab.console(spoke, "write memory")
        yield lab


@pytest.fixture
def wire(crypto_lab: Lab) -> Iterator[WireWatch]:
    """What passes while a test runs; nothing of it may be readable."""
    expect_encrypted_cloud(crypto_lab)
    began = time.time()
    with WireWatch(crypto_lab) as watch:
        yield watch
        assert leaks_since(watch, dict.fromkeys(PROTECTED, began)) == []


@pytest.fixture
def crypto(crypto_lab: Lab, wire: WireWatch) -> Lab:
    """The encrypted lab at rest, watched: three spokes registered."""
    for router in PROTECTED:
        crypto_lab.look(router, "clear counters", "clear logging")
    return crypto_lab


@pytest.fixture
def clear_lab() -> Iterator[Lab]:
    """The classic lab as it is before crypto."""
    for lab in lab_of():
        lab.expect_up("R1", SPOKES.values())
        yield lab


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


class Sender:
    """Somebody in a router's namespace who sends inner packets all the time, by the kernel's routes. A context."""

    def __init__(self, lab: Lab, router: str, *targets: str) -> None:
        self._lab, self._router, self._targets = lab, router, targets
        self._pings: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> None:
        for target in self._targets:
            command = [*IOSISH, "lab", "exec", self._router, "--name", self._lab.name, "--", "ping", "-q", "-i", "0.02"]
            self._pings.append(
                subprocess.Popen(
                    [*command, target],
                    env=self._lab.environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    stdin=subprocess.DEVNULL,
                )
            )

    def __exit__(self, *_: object) -> None:
        for ping in self._pings:
            ping.terminate()
            ping.wait(SECONDS)


@pytest.mark.parametrize("process", ["router", "forwarder"])
@pytest.mark.parametrize("router", ["R1", "R2"])
def test_nothing_inner_leaves_when_a_process_is_killed(crypto: Lab, router: str, process: str) -> None:
    targets = ("192.168.0.3", "192.168.0.99") if router == "R2" else ("192.168.0.2", "192.168.0.99")
    with Sender(crypto, router, *targets):
        victim = crypto.router_pid(router) if process == "router" else crypto.forwarder_pid(router)
        os.kill(victim, signal.SIGKILL)
        until(lambda: crypto.look(router, "show clock"), f"{router} is there again")
        expect_encrypted_cloud(crypto, 60.0)
        until(lambda: "(1/1)" in crypto.look("R2", f"ping {HUB} repeat 1 timeout 1"), "the hub answers R2", SECONDS)


def test_nothing_inner_leaves_during_a_reload(crypto: Lab) -> None:
    with Sender(crypto, "R2", HUB, "192.168.0.3"):
        with Terminal(crypto, "R2") as terminal:
            terminal.press("enable\rreload\r")
            terminal.expect(r"Proceed with reload\? \[confirm\]$")
            terminal.press("\r")
            terminal.expect_end()
        until(lambda: "by reload" in crypto.look("R2", "show version"), "R2 is there again")
        expect_encrypted_cloud(crypto, 60.0)


def test_nothing_leaves_in_clear_when_the_profile_goes_under_a_running_tunnel(crypto: Lab) -> None:
    profile = "crypto ipsec profile MyProfile\n set transform-set MyTransformSet"
    with Sender(crypto, "R2", HUB, "192.168.0.3"):
        try:
            crypto.configure("R2", "no crypto ipsec profile MyProfile")
            until(lambda: "MyProfile" in crypto.look("R2", "show interfaces Tunnel0"), "it says why the tunnel is down")
            until(lambda: "192.168.0.2" not in crypto.up_peers("R1"), "R2 is gone from the hub", SECONDS)
        finally:
            crypto.configure("R2", profile)
        expect_encrypted_cloud(crypto, 60.0)


def spis(lab: Lab, router: str, peer: str) -> set[str]:
    """The outbound SPIs in use towards a peer."""
    return set(re.findall(r"current outbound spi: (\S+)", lab.look(router, f"show crypto ipsec sa peer {peer}")))


def test_nothing_is_lost_or_readable_when_sas_are_renewed_by_volume(crypto: Lab) -> None:
    with crypto.configured(
        "R2",
        "crypto ipsec security-association lifetime kilobytes 2560",
        "no crypto ipsec security-association lifetime kilobytes",
    ):
        crypto.console("R2", "clear crypto session")
        expect_encrypted_cloud(crypto)
        before = spis(crypto, "R2", NBMA["R1"])
        assert "(400/400)" in crypto.console("R2", f"ping {HUB} size 8000 repeat 400")
        assert spis(crypto, "R2", NBMA["R1"]) != before
    crypto.console("R2", "clear crypto session")


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
