"""Routers that come, die and start again, in a running lab whose other routers are not touched."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import lab_of
from tests.live.lab import HUB, SPOKES, Lab, until
from tests.live.terminal import Terminal

pytestmark = pytest.mark.live

SIXTH = """\
hostname R6
interface FastEthernet0/0
 ip address 172.16.65.2 255.255.255.252
interface Tunnel0
 ip address 192.168.0.6 255.255.255.0
 ip nhrp map 192.168.0.1 172.16.15.2
 ip nhrp map multicast 172.16.15.2
 ip nhrp network-id 1
 ip nhrp nhs 192.168.0.1
 tunnel source 172.16.65.2
 tunnel mode gre multipoint
ip route 0.0.0.0 0.0.0.0 172.16.65.1
"""


@pytest.fixture(scope="module")
def shaken_lab() -> Iterator[Lab]:
    """The classic lab, with spokes that register every two seconds."""
    for lab in lab_of():
        for spoke in SPOKES:
            lab.configure(spoke, "interface Tunnel0\n ip nhrp registration timeout 2")
            lab.console(spoke, "write memory")
        yield lab


@pytest.fixture
def shaken(shaken_lab: Lab) -> Lab:
    for spoke in SPOKES:
        shaken_lab.settle(spoke)
    until(lambda: shaken_lab.up_peers("R1") >= set(SPOKES.values()), "R1 knows its spokes")
    return shaken_lab


def kill(pid: int) -> None:
    """`kill -9`, and wait until it is no more."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}/exe").is_file(), f"{pid} is gone")


def crash(lab: Lab, router: str) -> None:
    """Kill a router's process, and wait until its successor takes commands."""
    kill(lab.router_pid(router))
    until(lambda: lab.look(router, "show clock"), f"{router} is there again")


def test_a3_a_new_spoke_appears_on_the_hub_with_no_change_there(shaken: Lab, tmp_path: Path) -> None:
    before = shaken.running("R1")
    assert not any("192.168.0." in line.replace(HUB, "") or "172.16.25." in line for line in before)
    shaken.configure("R5", "interface FastEthernet2/0\n ip address 172.16.65.1 255.255.255.252")
    file = tmp_path / "R6.cfg"
    file.write_text(SIXTH)
    added = shaken.lab("add", str(file))
    assert (added.returncode, added.stderr) == (0, "R6 runs\n")
    shaken.expect_up("R1", [*SPOKES.values(), "192.168.0.6"])
    assert shaken.running("R1") == before
    assert "(5/5)" in shaken.console("R6", "ping 192.168.0.3")
    shaken.expect_up("R6", [HUB, "192.168.0.3"])


def test_a_killed_hub_is_registered_with_again_within_the_interval(shaken: Lab) -> None:
    others = {spoke: shaken.router_pid(spoke) for spoke in SPOKES}
    crash(shaken, "R1")
    until(lambda: shaken.up_peers("R1") >= set(SPOKES.values()), "they registered", 2 + 3)
    assert {spoke: shaken.router_pid(spoke) for spoke in SPOKES} == others
    assert "System returned to ROM by crash" in shaken.console("R1", "show version")
    assert "(5/5)" in shaken.console("R2", "ping 192.168.0.1")
    assert "(5/5)" in shaken.console("R2", "ping 192.168.0.3")


def test_traffic_passes_again_after_a_forwarder_was_killed(shaken: Lab) -> None:
    router = shaken.router_pid("R2")
    assert "(5/5)" in shaken.console("R2", "ping 192.168.0.4")
    kill(shaken.forwarder_pid("R2"))
    until(lambda: "(1/1)" in shaken.look("R2", "ping 192.168.0.4 repeat 1 timeout 1"), "packets pass again")
    assert "(5/5)" in shaken.console("R4", "ping 192.168.0.2")
    assert shaken.router_pid("R2") == router
    log = shaken.console("R2", "show logging")
    assert "%IOSISH-3-FORWARDER: The forwarder process ended; a new one takes over" in log
    assert "line protocol is up" in shaken.console("R2", "show interfaces Tunnel0")


def test_what_was_saved_is_there_after_a_crash_and_the_rest_is_not(shaken: Lab) -> None:
    unsaved = "R3: running-config is not saved"
    shaken.configure("R3", "interface Loopback9\n ip address 10.9.9.9 255.255.255.255")
    until(lambda: unsaved in shaken.lab("status").stdout, "the lab says that it is not saved")
    assert shaken.console("R3", "write memory") == "Building configuration...\n[OK]\n"
    until(lambda: unsaved not in shaken.lab("status").stdout, "the lab says that it is saved")
    shaken.configure("R3", "interface Loopback10\n ip address 10.9.9.10 255.255.255.255")
    crash(shaken, "R3")
    lines = shaken.running("R3")
    assert "interface Loopback9" in lines and "interface Loopback10" not in lines
    assert "10.9.9.9" in shaken.console("R3", "show startup-config")
    assert "(5/5)" in shaken.console("R3", "ping 10.9.9.9")
    shaken.configure("R3", "no interface Loopback9")
    shaken.console("R3", "copy running-config startup-config")


def test_reload_at_the_console(shaken: Lab) -> None:
    router = shaken.router_pid("R4")
    with Terminal(shaken, "R4") as terminal:
        terminal.press("enable\rconfigure terminal\r")
        terminal.expect(r"R4\(config\)#$")
        terminal.press("interface Loopback8\rend\r")
        terminal.expect(r"R4#")
        terminal.press("reload\r")
        terminal.expect(r"System configuration has been modified\. Save\? \[yes/no\]: $")
        terminal.press("no\r")
        terminal.expect(r"Proceed with reload\? \[confirm\]$")
        terminal.press("\r")
        terminal.expect_end()
    until(lambda: "by reload" in shaken.look("R4", "show version"), "R4 is there again")
    assert "interface Loopback8" not in shaken.running("R4")
    assert shaken.router_pid("R4") == router
    shaken.settle("R4")
    assert "(5/5)" in shaken.console("R2", "ping 192.168.0.4")


def test_a_lab_ends_with_the_process_that_asked_for_it(tmp_path: Path) -> None:
    """What holds the other tests' labs."""
    (tmp_path / "one.cfg").write_text("hostname One\n")
    lab = Lab()
    lab.up(str(tmp_path))
    assert re.search("^One", lab.lab("status").stdout, re.MULTILINE)
    lab.close()
