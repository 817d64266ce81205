"""Nothing inner leaves a router of the encrypted lab in clear, whatever is done to it while inner senders go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import lab_of
from tests.live.crypto import (
    BUMP,
    PROTECTED,
    SECONDS,
    expect_encrypted_cloud,
    expect_ping,
    leaks_since,
    sending,
    spis,
)
from tests.live.lab import HUB, SPOKES, Lab, until
from tests.live.terminal import Terminal
from tests.live.wire_watch import ESP, GRE, NBMA, WireWatch

pytestmark = pytest.mark.live

NOBODY = "192.168.0.99"
#: Tunnel addresses, one that nobody has, networks behind other routers; what is too large, and what dies on its way.
SENDERS = {
    "R1": ("192.168.0.2", "10.3.3.3", NOBODY),
    "R2": (HUB, "192.168.0.3", "10.4.4.4", "10.3.3.3 -s 1400 -M do", NOBODY),
    "R4": ("10.2.2.2", "10.1.1.1 -t 1"),
}


def behind(router: str) -> str:
    """An address behind a router, and routes by the tunnel to those behind the others."""
    number = router.removeprefix("R")
    routes = [f"ip route 10.{n}.{n}.{n} 255.255.255.255 192.168.0.{n}" for n in "1234" if n != number]
    address = f"ip address 10.{number}.{number}.{number} 255.255.255.255"
    return "\n".join(["interface Loopback0", f" {address}", *routes])


def test_shutdown_and_no_shutdown(crypto_lab: Lab, wire: WireWatch) -> None:
    """Before there are senders: a tunnel that is shut by hand follows the routing table, as on IOS."""
    crypto_lab.configure("R2", BUMP)
    crypto_lab.configure("R1", BUMP)
    expect_encrypted_cloud(crypto_lab, 60.0)


@pytest.fixture(scope="module")
def busy_lab(crypto_lab: Lab) -> Iterator[Lab]:
    """The encrypted lab with something behind each router, and senders."""
    for router in PROTECTED:
        crypto_lab.configure(router, behind(router) + "\ncrypto isakmp invalid-spi-recovery")
        crypto_lab.console(router, "write memory")
    expect_encrypted_cloud(crypto_lab)
    with sending(crypto_lab, SENDERS):
        yield crypto_lab


@pytest.fixture
def busy(busy_lab: Lab, wire: WireWatch) -> Iterator[Lab]:
    """Watched from rest to rest; every packet of the watch is looked at when the test is through."""
    yield busy_lab
    expect_encrypted_cloud(busy_lab, 60.0)
    expect_ping(busy_lab, "R2", HUB)
    expect_ping(busy_lab, "R3", "10.2.2.2")


CLEARS = [
    "clear crypto sa",
    "clear crypto sa peer {peer}",
    "clear crypto sa counters",
    "clear crypto isakmp",
    "clear crypto session",
    "clear crypto session remote {peer}",
    "clear ip nhrp",
    "clear dmvpn session static",
]


@pytest.mark.parametrize("router", ["R1", "R2"])
def test_every_clear(busy: Lab, router: str) -> None:
    peer = NBMA["R2" if router == "R1" else "R1"]
    for command in CLEARS:
        busy.console(router, command.format(peer=peer))
        time.sleep(0.2)  # so that senders meet what it leaves behind


SET = "crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac"
PROFILE = "crypto ipsec profile MyProfile\n set transform-set MyTransformSet"
KEY = "crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0"
POLICY = "crypto isakmp policy 10\n authentication pre-share"
TUNNEL = "interface Tunnel0\n {}"
SOURCE = TUNNEL.format("tunnel source {}")
#: Lines that take something away under a running tunnel, what brings it back, and the router.
CHANGES = {
    "profile of the hub deleted": ("R1", "no crypto ipsec profile MyProfile", PROFILE),
    "profile deleted": ("R2", "no crypto ipsec profile MyProfile", PROFILE),
    "profile emptied": ("R2", "crypto ipsec profile MyProfile\n no set transform-set", PROFILE),
    "transform set deleted": ("R2", "no crypto ipsec transform-set MyTransformSet", SET),
    "key deleted": ("R2", f"no {KEY}", KEY),
    "key of the hub deleted": ("R1", f"no {KEY}", KEY),
    "policy deleted": ("R2", "no crypto isakmp policy 10", POLICY),
    "another set": ("R1", f"{SET.replace('esp-aes', 'esp-3des')}\n exit", SET),
    "another profile": (
        "R2",
        "interface Tunnel0\n tunnel protection ipsec profile Nowhere",
        "interface Tunnel0\n tunnel protection ipsec profile MyProfile",
    ),
    "IKEv2 asked for": (
        "R2",
        "crypto ipsec profile MyProfile\n set ikev2-profile X",
        PROFILE + "\n no set ikev2-profile",
    ),
    "source by its interface": ("R2", SOURCE.format("FastEthernet0/0"), SOURCE.format("172.16.25.2")),
    "source elsewhere": (
        "R2",
        "interface Loopback1\n ip address 172.31.2.2 255.255.255.255\n" + SOURCE.format("Loopback1"),
        SOURCE.format("172.16.25.2") + "\nno interface Loopback1",
    ),
    "no source": ("R2", TUNNEL.format("no tunnel source"), SOURCE.format("172.16.25.2")),
    "a key of GRE": ("R2", TUNNEL.format("tunnel key 5"), TUNNEL.format("no tunnel key")),
    "another kind of tunnel": ("R2", TUNNEL.format("tunnel mode gre ip"), TUNNEL.format("tunnel mode gre multipoint")),
    "no NHRP": ("R2", TUNNEL.format("no ip nhrp network-id"), TUNNEL.format("ip nhrp network-id 1")),
    "no way to the hub": (
        "R2",
        "no ip route 0.0.0.0 0.0.0.0 172.16.25.1",
        "ip route 0.0.0.0 0.0.0.0 172.16.25.1",
    ),
    "a narrow way": (
        "R5",
        "interface FastEthernet0/1\n ip mtu 1300",
        "interface FastEthernet0/1\n no ip mtu",
    ),
    "uplink shut": ("R2", "interface FastEthernet0/0\n shutdown", "interface FastEthernet0/0\n no shutdown"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_lines_taken_away_and_given_back(busy: Lab, change: str) -> None:
    router, away, back = CHANGES[change]
    try:
        busy.configure(router, away)
        busy.console(router, "clear crypto session")  # for those that matter only then
        time.sleep(0.3)
    finally:
        busy.configure(router, back)


def test_protection_taken_off_and_put_on_again(busy_lab: Lab) -> None:
    """Only who has no such line sends in the clear; the others neither answer it nor take it."""
    expect_encrypted_cloud(busy_lab, 60.0)
    began = time.time()
    with WireWatch(busy_lab) as watch:
        busy_lab.configure("R2", "interface Tunnel0\n no tunnel protection ipsec profile MyProfile")
        gre = until(lambda: [seen for seen in watch.packets() if seen.protocol == GRE], "R2 sends in the clear")
        assert {str(packet.source) for packet in gre} == {NBMA["R2"]}
        until(lambda: SPOKES["R2"] not in busy_lab.up_peers("R1"), "R2 is not UP on the hub", SECONDS)
        busy_lab.configure("R2", "interface Tunnel0\n tunnel protection ipsec profile MyProfile")
        line_at = {**dict.fromkeys(PROTECTED, began), "R2": time.time()}
        expect_encrypted_cloud(busy_lab, 60.0)
        leaks = leaks_since(watch, line_at)
        assert not leaks, "\n".join(leaks[:20])


def test_a_cable_cut_and_joined(busy: Lab) -> None:
    assert busy.lab("cut", "R2", "R5").returncode == 0
    time.sleep(0.5)
    assert busy.lab("join", "R2", "R5").returncode == 0


def test_sas_renewed_by_volume(busy: Lab) -> None:
    lifetime = "crypto ipsec security-association lifetime kilobytes"
    with busy.configured("R2", f"{lifetime} 2560", f"no {lifetime}"):
        busy.console("R2", "clear crypto session")
        expect_ping(busy, "R2", HUB)
        before = spis(busy, "R2", NBMA["R1"])
        assert "(400/400)" in busy.console("R2", f"ping {HUB} size 8000 repeat 400")
        assert spis(busy, "R2", NBMA["R1"]) != before
    busy.console("R2", "clear crypto session")


@pytest.mark.parametrize("process", ["router", "forwarder"])
@pytest.mark.parametrize("router", ["R1", "R2"])
def test_a_process_is_killed(busy: Lab, router: str, process: str) -> None:
    os.kill(busy.router_pid(router) if process == "router" else busy.forwarder_pid(router), signal.SIGKILL)
    until(lambda: busy.look(router, "show clock"), f"{router} is there again")


def test_a_reload(busy: Lab) -> None:
    with Terminal(busy, "R2") as terminal:
        terminal.press("enable\rreload\r")
        terminal.expect(r"Proceed with reload\? \[confirm\]$")
        terminal.press("\r")
        terminal.expect_end()
    until(lambda: "by reload" in busy.look("R2", "show version"), "R2 is there again")


@pytest.fixture
def doomed() -> Iterator[Lab]:
    """An encrypted lab of its own."""
    for lab in lab_of("running-configs/dmvpn-ipsec"):
        for router in PROTECTED:
            lab.configure(router, behind(router))
        expect_encrypted_cloud(lab)
        yield lab


def test_the_whole_lab_is_killed(doomed: Lab) -> None:
    """Its parent, with it every router, and with the last of them the cables: nothing leaves until these are gone."""
    routers = [Path(f"/proc/{doomed.router_pid(router)}/exe") for router in PROTECTED]
    began = time.time()
    with sending(doomed, SENDERS), WireWatch(doomed) as watch:
        expect_ping(doomed, "R2", HUB)
        os.kill(doomed.record()["pid"], signal.SIGKILL)
        until(lambda: not any(router.is_file() for router in routers), "all routers are gone")
        time.sleep(0.5)
        assert watch.count(lambda packet: packet.protocol == ESP and packet.at > began) > 0
        leaks = leaks_since(watch, dict.fromkeys(PROTECTED, began))
        assert not leaks, "\n".join(leaks[:20])
