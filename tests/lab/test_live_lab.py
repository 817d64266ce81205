"""The lab's verbs on the classic lab, with real routers and real packets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from scapy.utils import RawPcapNgReader

from tests.lab.laboratory import IOSISH, Laboratory, eventually, peers_up

pytestmark = pytest.mark.live

SPOKES = ["192.168.0.2", "192.168.0.3", "192.168.0.4"]

R6 = """hostname R6
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


def carrier(classic: Laboratory, router: str, device: str) -> bool:
    return "NO-CARRIER" not in classic.inside(router, "ip", "link", "show", device).stdout


def test_when_it_is_up_the_hub_knows_its_spokes(classic: Laboratory) -> None:
    assert peers_up(classic.console("R1", "show dmvpn")) == SPOKES


def test_status_draws_routers_and_cables(classic: Laboratory) -> None:
    shown = classic.lab("status").stdout
    assert f"Lab {classic.name} from " in shown
    assert "5 routers, 4 cables" in shown
    assert "│ R1 │ Fa0/0 172.16.15.2 ─── 172.16.15.0/30 ─── Fa0/0 172.16.15.1 │" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["Tunnel0", "192.168.0.1/24", "up"] in [row[-3:] for row in rows]
    assert ["FastEthernet1/1", "172.16.45.1/30", "up"] in [row[-3:] for row in rows]


def test_namespaces_are_seen_by_ip_netns(classic: Laboratory) -> None:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert {f"iosish-{classic.name}-R{n}" for n in range(1, 6)} <= {line.split()[0] for line in listed.splitlines()}


def test_exec_runs_in_the_router_and_gives_its_status(classic: Laboratory) -> None:
    assert "172.16.15.2/30" in classic.inside("R1", "ip", "-4", "addr", "show", "Fa0-0").stdout
    assert classic.inside("r1", "ls", "/sys/class/net").stdout.split().count("Fa0-0") == 1
    assert classic.inside("R1", "sh", "-c", "exit 7").returncode == 7
    missing = classic.inside("R1", "/no/such/command")
    assert missing.returncode == 2
    assert "No such file" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cut", "R1", "R2"], "there is no cable between R1 and R2"),
        (["cut", "R1", "R1"], "there is no cable from R1 to itself"),
        (["join", "R1", "R9"], "there is no router R9 in this lab: R1, R2, R3, R4, R5"),
        (["exec", "R9", "--", "true"], "there is no router R9"),
        (["capture", "R5", "Fa7/7"], "no interface Fa7/7 here: FastEthernet0/0"),
        (["capture", "R9", "Fa0/0"], "there is no router R9"),
        (["add", "/no/such.cfg"], "/no/such.cfg: no such file"),
    ],
)
def test_what_a_lab_refuses(classic: Laboratory, arguments: list[str], says: str) -> None:
    done = classic.lab(*arguments)
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr


def test_up_twice_says_how_to_open_and_end_it(classic: Laboratory) -> None:
    done = classic.lab("up")
    assert done.returncode == 2
    assert f"`iosish console R1 --name {classic.name}` opens it" in done.stderr
    assert f"`iosish lab down --name {classic.name}` ends it" in done.stderr


def test_a_cut_cable_takes_both_ends_down_and_join_brings_them_back(classic: Laboratory) -> None:
    assert classic.lab("cut", "r4", "R5").returncode == 0
    eventually(lambda: not carrier(classic, "R4", "Fa0-0"), "R4 sees no carrier")
    eventually(lambda: not carrier(classic, "R5", "Fa1-1"), "R5 sees no carrier")
    eventually(lambda: "line protocol is down" in classic.console("R4", "show interfaces Fa0/0"), "IOS says so")
    assert "─x  172.16.45.0/30  x─" in classic.lab("status").stdout
    assert carrier(classic, "R3", "Fa0-0")
    assert classic.lab("join", "R5", "R4").returncode == 0
    eventually(lambda: carrier(classic, "R4", "Fa0-0"), "R4 sees a carrier")
    eventually(lambda: classic.inside("R4", "ping", "-c1", "-W1", "172.16.45.1").returncode == 0, "packets pass again")


def test_capture_writes_what_passes(classic: Laboratory, tmp_path: Path) -> None:
    file = tmp_path / "r5.pcapng"
    with file.open("wb") as out:
        capture = subprocess.Popen(
            [*IOSISH, "lab", "capture", "--name", classic.name, "R5", "fa0/1"], stdout=out, env=classic.environment
        )
    eventually(lambda: file.stat().st_size > 0, "the capture has begun")
    begun = file.stat().st_size
    assert classic.inside("R5", "ping", "-c1", "-W2", "172.16.25.2").returncode == 0
    eventually(lambda: file.stat().st_size > begun + 200, "packets are in the file")
    capture.terminate()
    assert capture.wait(10) == 0
    frames = [frame for frame, _ in RawPcapNgReader(str(file))]
    assert any(frame[12:14] == b"\x08\x00" and frame[23] == 1 for frame in frames)  # IPv4, ICMP


def test_capture_ends_when_its_reader_goes(classic: Laboratory) -> None:
    capture = subprocess.Popen(
        [*IOSISH, "lab", "capture", "--name", classic.name, "R5", "Fa0/1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=classic.environment,
    )
    assert capture.stdout is not None and capture.stderr is not None
    assert capture.stdout.read(4) == b"\n\r\r\n"
    capture.stdout.close()

    def ended() -> bool:
        classic.inside("R5", "ping", "-c1", "-W1", "172.16.25.2")
        return capture.poll() is not None

    eventually(ended, "the capture has ended")
    assert capture.returncode == 0
    assert capture.stderr.read() == b""
    capture.stderr.close()


def test_cables_follow_addresses_and_a_new_spoke_appears_on_the_hub(classic: Laboratory, tmp_path: Path) -> None:
    before = classic.console("R1", "show running-config")
    file = tmp_path / "R6.cfg"
    file.write_text(R6)
    # The transit router has no interface for it yet: the far end of the cable comes by configuration.
    adding = subprocess.Popen(
        [*IOSISH, "lab", "add", "--name", classic.name, str(file)],
        stderr=subprocess.PIPE,
        text=True,
        env=classic.environment,
    )
    classic.console(
        "R5", "configure terminal", "interface FastEthernet2/0", "ip address 172.16.65.1 255.255.255.252", "end"
    )
    assert adding.stderr is not None
    said = adding.stderr.read()
    assert adding.wait(30) == 0, said
    assert "R6 runs" in said
    eventually(
        lambda: peers_up(classic.console("R1", "show dmvpn")) == [*SPOKES, "192.168.0.6"], "the hub knows the new spoke"
    )
    assert classic.console("R1", "show running-config") == before
    again = classic.lab("add", str(file))
    assert again.returncode == 2 and "R6.cfg runs already" in again.stderr


def test_an_interface_that_moves_to_another_subnet_is_cabled_anew(classic: Laboratory) -> None:
    classic.console("R2", "configure terminal", "interface FastEthernet0/1", "ip address 10.7.0.2 255.255.255.0", "end")
    classic.console("R3", "configure terminal", "interface FastEthernet0/1", "ip address 10.7.0.3 255.255.255.0", "end")
    eventually(lambda: classic.inside("R2", "ping", "-c1", "-W1", "10.7.0.3").returncode == 0, "R2 reaches R3")
    classic.console("R4", "configure terminal", "interface FastEthernet0/1", "ip address 10.8.0.4 255.255.255.0", "end")
    classic.console("R3", "configure terminal", "interface FastEthernet0/1", "ip address 10.8.0.3 255.255.255.0", "end")
    eventually(lambda: classic.inside("R4", "ping", "-c1", "-W1", "10.8.0.3").returncode == 0, "R4 reaches R3")
    assert classic.inside("R2", "ping", "-c1", "-W1", "10.7.0.3").returncode != 0
    for router in ("R2", "R3", "R4"):
        classic.console(router, "configure terminal", "no interface FastEthernet0/1", "end")
    eventually(
        lambda: "does not exist" in classic.inside("R3", "ip", "link", "show", "Fa0-1").stderr, "the device is gone"
    )


def test_a_killed_hub_is_restarted_and_registered_with_again(classic: Laboratory) -> None:
    pid = classic.router_pid("R1")
    for spoke in ("R2", "R3", "R4"):
        classic.console(spoke, "configure terminal", "interface Tunnel0", "ip nhrp registration timeout 1", "end")
    subprocess.run(["kill", "-9", str(pid)], check=True)
    eventually(lambda: classic.router_pid("R1") != pid, "R1 has a new process")
    eventually(lambda: (classic.state / "run" / f"lab-{classic.name}" / "R1.sock").exists(), "R1 is there again")
    eventually(lambda: set(SPOKES) <= set(peers_up(classic.console("R1", "show dmvpn"))), "its spokes registered")
    assert "R1: restarted 1 time" in classic.lab("status").stdout


def test_save_writes_files_that_come_up_again(classic: Laboratory, laboratory: Laboratory, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    assert classic.lab("save", str(saved)).returncode == 0
    assert {"R1.cfg", "R5.cfg"} <= {file.name for file in saved.iterdir()}
    assert "interface Tunnel0" in (saved / "R1.cfg").read_text()
    assert "Building" not in (saved / "R1.cfg").read_text()
    done = laboratory.up(str(saved))
    assert "refused" not in done.stderr
    assert set(SPOKES) <= set(peers_up(laboratory.console("R1", "show dmvpn")))
    # Two labs side by side: the same names and addresses, and neither hears the other.
    assert set(SPOKES) <= set(peers_up(classic.console("R1", "show dmvpn")))
    two = laboratory.iosish("console", "--name", laboratory.name, "R1", "-c", "show running-config")
    assert "hostname R1" in two.stdout
