"""`iosish run`: one router on devices that exist, in a namespace that stands for a host."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.laboratory import ENDS_WITH_US, IOSISH, Laboratory, eventually
from tests.user_plane.changes import Changes

pytestmark = pytest.mark.live

CONFIG = """hostname Edge
interface FastEthernet0/0
 ip address 10.0.0.1 255.255.255.0
interface Tunnel0
 ip address 192.168.0.1 255.255.255.0
 ip nhrp network-id 1
 tunnel source FastEthernet0/0
 tunnel mode gre multipoint
"""


class Host:
    """A namespace with one device, `eth7`, that has an address of its own."""

    def __init__(self) -> None:
        self.name = f"iosish-h{secrets.token_hex(3)}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.ip("link", "add", "eth7", "type", "veth", "peer", "name", "eth8")
        for device in ("lo", "eth7", "eth8"):
            self.ip("link", "set", device, "up")
        self.ip("addr", "add", "10.9.0.1/24", "dev", "eth7")

    def ip(self, *arguments: str) -> str:
        return subprocess.run(["ip", "-n", self.name, *arguments], capture_output=True, text=True, check=True).stdout

    def close(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=True)


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "edge.cfg"
    path.write_text(CONFIG)
    return path


def arguments(host: Host, config: Path) -> list[str]:
    return ["run", str(config), "--netns", host.name, "--interface", "FastEthernet0/0=eth7"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_logs_ends_on_a_signal_and_leaves_nothing(
    laboratory: Laboratory, host: Host, config: Path, number: signal.Signals
) -> None:
    before = host.ip("-o", "-4", "addr"), host.ip("route")
    router = subprocess.Popen(
        [*ENDS_WITH_US, *IOSISH, *arguments(host, config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=laboratory.environment,
    )
    assert router.stdout is not None and router.stderr is not None
    assert "%SYS-5-RESTART" in router.stdout.readline()
    assert "%CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is OFF" in router.stdout.readline()
    eventually(lambda: laboratory.iosish("console", "edge", "-c", "show clock").returncode == 0, "it takes commands")
    shown = laboratory.iosish("console", "Edge", "-c", "show ip interface brief").stdout
    rows = {line.split()[0]: line.split()[-2:] for line in shown.splitlines() if line.strip()}
    assert rows["FastEthernet0/0"] == rows["Tunnel0"] == ["up", "up"]
    assert "10.0.0.1/24" in host.ip("-o", "addr", "show", "eth7")
    assert "Tunnel0" in host.ip("link")
    for process in (router.pid, *Path(f"/proc/{router.pid}/task/{router.pid}/children").read_text().split()):
        limits = Path(f"/proc/{process}/limits").read_text().splitlines()
        [core] = [line.split() for line in limits if line.startswith("Max core file size")]
        assert core[4:6] == ["0", "0"]
    router.send_signal(number)
    _, complaints = router.communicate(timeout=20)
    assert router.returncode == 0
    assert complaints == ""
    assert (host.ip("-o", "-4", "addr"), host.ip("route")) == before
    assert laboratory.remains() == []


def test_detached_it_answers_before_the_command_returns(laboratory: Laboratory, host: Host, config: Path) -> None:
    done = laboratory.iosish(*arguments(host, config), "--detach", "--name", "Renamed")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    shown = laboratory.iosish("console", "renamed", typed="show running-config\nwrite memory\n")
    assert shown.returncode == 0
    assert "hostname Edge" in shown.stdout
    assert "hostname Edge" in config.read_text() and "version 15.9" in config.read_text()
    twice = laboratory.iosish(*arguments(host, config), "--detach", "--name", "Renamed")
    assert twice.returncode == 2
    assert "a router Renamed runs already" in twice.stderr
    (record,) = (laboratory.state / "run").glob("*/record.json")
    os.kill(json.loads(record.read_text())["pid"], signal.SIGTERM)
    eventually(lambda: laboratory.remains() == [], "nothing is left")


def test_what_cannot_run(laboratory: Laboratory, host: Host, config: Path) -> None:
    done = laboratory.iosish("run", str(config), "--netns", "no-such-namespace")
    assert done.returncode == 2
    assert done.stderr == "iosish: cannot enter the namespace no-such-namespace: No such file or directory\n"
    config.write_text("hostname Edge\nnonsense\ninterface Loopback0\n")
    router = subprocess.Popen(
        [*ENDS_WITH_US, *IOSISH, *arguments(host, config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=laboratory.environment,
    )
    assert router.stdout is not None
    router.stdout.readline()
    router.terminate()
    _, complaints = router.communicate(timeout=20)
    assert f"{config}:2: refused: nonsense" in complaints


def test_a_router_without_an_interface_runs_too(laboratory: Laboratory, host: Host, config: Path) -> None:
    config.write_text("hostname Edge\n")
    router = subprocess.Popen(
        [*ENDS_WITH_US, *IOSISH, *arguments(host, config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=laboratory.environment,
    )
    try:
        eventually(
            lambda: laboratory.iosish("console", "edge", "-c", "show clock").returncode == 0, "it takes commands"
        )
        router.terminate()
        assert router.wait(20) == 0
    finally:
        router.kill()
        router.wait()


PROTECTED = """crypto isakmp policy 1
 encr aes
 authentication pre-share
 group 14
crypto isakmp key secret address 0.0.0.0
crypto ipsec transform-set Set esp-aes esp-sha-hmac
 mode transport
crypto ipsec profile Profile
 set transform-set Set
interface Tunnel0
 tunnel protection ipsec profile Profile
ip route 10.77.0.0 255.255.0.0 192.168.0.9
"""
GUARDS = ["blackhole 10.77.0.0/16 proto 73 metric 4294967294", "blackhole 192.168.0.0/24 proto 73 metric 4294967294"]


def guards(host: Host) -> list[str]:
    return [line.strip() for line in host.ip("route").splitlines() if "blackhole" in line]


def test_guards_outlive_a_killed_service_and_a_reload_and_go_with_its_orderly_end(
    laboratory: Laboratory, host: Host, config: Path
) -> None:
    """What was routed into a protected tunnel never follows another route."""
    config.write_text(CONFIG + PROTECTED)
    record = laboratory.state / "run"

    def up() -> int:
        done = laboratory.iosish(*arguments(host, config), "--detach")
        assert (done.returncode, done.stderr) == (0, "")
        (written,) = record.glob("*/record.json")
        return int(json.loads(written.read_text())["pid"])

    pid = up()
    assert guards(host) == GUARDS
    assert "dev Tunnel0" in host.ip("route", "get", "192.168.0.9")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: "Tunnel0" not in host.ip("link"), "the end of the device")
    assert guards(host) == GUARDS
    with Changes(host.name) as changes:
        pid = up()
        laboratory.iosish("console", "edge", "-c", "reload")
        version = "console", "edge", "-c", "show version"
        eventually(lambda: "by reload" in laboratory.iosish(*version).stdout, "it is back")
        eventually(lambda: "dev Tunnel0" in host.ip("route", "get", "192.168.0.9"), "the tunnel")
        seen = changes.seen()
    assert [what for what in seen if what[0] == "RTM_DELLINK"] and guards(host) == GUARDS
    assert not [what for what in seen if what[0] == "RTM_DELROUTE" and what[1].endswith("*")]
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: laboratory.remains() == [], "nothing is left")
    assert guards(host) == []
