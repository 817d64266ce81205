"""How a lab begins and ends, and that nothing is left behind then."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyparsing
import pytest

from tests.lab.laboratory import IOSISH, Laboratory, eventually, peers_up

pytestmark = pytest.mark.live

TWO = {
    "Left": "hostname Left\ninterface Ethernet0/0\n ip address 10.0.0.1 255.255.255.0\n",
    "Right": "hostname Right\ninterface Ethernet0/0\n ip address 10.0.0.2 255.255.255.0\n",
}


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two routers on one cable."""
    folder = tmp_path / "two"
    folder.mkdir()
    for name, text in TWO.items():
        (folder / f"{name}.cfg").write_text(text)
    return folder


def test_commands_from_a_pipe_then_the_lab_is_gone(laboratory: Laboratory) -> None:
    done = laboratory.lab("up", typed="show dmvpn\n")
    assert done.returncode == 0, done.stderr
    assert peers_up(done.stdout) == ["192.168.0.2", "192.168.0.3", "192.168.0.4"]
    assert "5 routers, 4 cables, up in" in done.stderr
    assert laboratory.remains() == []


def test_a_refused_command_is_the_exit_status(laboratory: Laboratory, two: Path) -> None:
    done = laboratory.lab("up", str(two), typed="show nonsense\n")
    assert done.returncode == 1
    assert "% Invalid input" in done.stdout
    assert laboratory.remains() == []


def test_detached_it_stays_until_down(laboratory: Laboratory, two: Path) -> None:
    laboratory.up(str(two))
    assert laboratory.inside("Left", "ping", "-c1", "-W2", "10.0.0.2").returncode == 0
    assert laboratory.lab("down").returncode == 0
    assert laboratory.remains() == []
    again = laboratory.lab("down")
    assert again.returncode == 2 and f"no lab {laboratory.name} is up" in again.stderr


def test_what_was_saved_is_there_again_and_the_files_are_as_they_were(laboratory: Laboratory, two: Path) -> None:
    before = (two / "Left.cfg").read_bytes()
    laboratory.up(str(two))
    laboratory.console("Left", "configure terminal", "interface Loopback7", "end", "write memory")
    laboratory.lab("down")
    done = laboratory.up(str(two))
    assert "Loopback7" in laboratory.console("Left", "show running-config")
    assert "--fresh" not in done.stderr
    laboratory.lab("down")
    assert (two / "Left.cfg").read_bytes() == before
    (two / "Left.cfg").write_text(TWO["Left"] + "interface Loopback8\n")
    done = laboratory.up(str(two))
    assert "Left.cfg has changed, but the router saved its configuration since" in done.stderr
    assert "--fresh" in done.stderr
    assert "Loopback8" not in laboratory.console("Left", "show running-config")
    laboratory.lab("down")
    laboratory.up("--fresh", str(two))
    assert "Loopback8" in laboratory.console("Left", "show running-config")


def test_refused_lines_are_said_and_the_lab_runs(laboratory: Laboratory, two: Path) -> None:
    (two / "Right.cfg").write_text(TWO["Right"] + "nonsense here\n")
    done = laboratory.up(str(two))
    assert "Right.cfg:4: refused: nonsense here" in done.stderr


def test_a_silent_server_is_named(laboratory: Laboratory, two: Path) -> None:
    (two / "Right.cfg").write_text(
        TWO["Right"] + "interface Tunnel0\n ip address 10.1.0.2 255.255.255.0\n ip nhrp network-id 1\n"
        " ip nhrp map 10.1.0.9 10.0.0.9\n ip nhrp nhs 10.1.0.9\n tunnel source Ethernet0/0\n"
        " tunnel mode gre multipoint\n"
    )
    done = laboratory.up(str(two))
    assert "not up: Right: no answer from NHS 10.1.0.9 on Tunnel0" in done.stderr


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no *.cfg in"),
        ({"a.cfg": "hostname R1\n", "b.cfg": "hostname r1\n"}, "b.cfg and a.cfg are both named R1"),
        ({"a b.cfg": "!\n"}, "'a b' is no name for a router"),
    ],
)
def test_folders_that_are_no_lab(laboratory: Laboratory, tmp_path: Path, files: dict[str, str], says: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    done = laboratory.lab("up", str(tmp_path))
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr
    assert laboratory.remains() == []


def test_a_namespace_of_someone_else_is_left_alone(laboratory: Laboratory, two: Path) -> None:
    taken = f"iosish-{laboratory.name}-Right"
    subprocess.run(["ip", "netns", "add", taken], check=True)
    try:
        done = laboratory.lab("up", str(two))
        assert done.returncode == 2
        assert f"there is a namespace {taken} already" in done.stderr
        assert laboratory.remains() == [f"/run/netns/{taken}"]
    finally:
        subprocess.run(["ip", "netns", "delete", taken], check=True)


def test_after_the_parent_is_killed_the_next_command_clears_up(laboratory: Laboratory, two: Path) -> None:
    laboratory.up(str(two))
    parent, router = laboratory.record()["pid"], laboratory.router_pid("Left")
    os.kill(parent, signal.SIGKILL)
    eventually(lambda: not Path(f"/proc/{router}").exists(), "routers die with their parent")
    done = laboratory.lab("status")
    assert done.returncode == 2
    assert f"removed what lab {laboratory.name} left behind" in done.stderr
    assert laboratory.remains() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_parent_ends_it_all(laboratory: Laboratory, two: Path, number: signal.Signals) -> None:
    laboratory.up(str(two))
    os.kill(laboratory.record()["pid"], number)
    eventually(lambda: laboratory.remains() == [], "nothing is left")


def test_when_the_command_is_killed_the_lab_goes_too(laboratory: Laboratory, two: Path) -> None:
    command = subprocess.Popen(
        [*IOSISH, "lab", "up", "--name", laboratory.name, str(two)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=laboratory.environment,
    )
    assert command.stdin is not None and command.stderr is not None
    while b"up in" not in command.stderr.readline():
        pass
    command.kill()
    command.wait()
    eventually(lambda: laboratory.remains() == [], "nothing is left")
    command.stdin.close()
    command.stderr.close()


@pytest.mark.parametrize(("answer", "stays"), [(b"y\n", True), (b"what\nn\n", False), (b"\x04", False)])
def test_leaving_the_console_asks_whether_the_lab_stays(
    laboratory: Laboratory, two: Path, answer: bytes, stays: bool
) -> None:
    master, slave = pty.openpty()
    command = subprocess.Popen(
        [*IOSISH, "lab", "up", "--name", laboratory.name, str(two)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        env=laboratory.environment,
    )
    os.close(slave)
    seen = b""

    def until(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            seen += os.read(master, 4096)
        seen = seen.partition(text)[2]

    until(b"Left>")
    os.write(master, b"exit\r")
    until(b"[y/n]")
    os.write(master, answer)
    until(b"\n")
    assert command.wait(20) == 0
    os.close(master)
    assert (laboratory.lab("status").returncode == 0) is stays
    if not stays:
        assert laboratory.remains() == []


#: In a mount namespace: a /dev/net/tun as most machines have it, the program where anyone may read it, no rights.
PLAIN = """
mknod "$1/tun" c 10 200; chmod 666 "$1/tun"; mount --bind "$1/tun" /dev/net/tun; rm "$1/tun"
mkdir "$1/program" "$1/packages"
mount --bind "$2" "$1/program"; mount --bind "$3" "$1/packages"
export PYTHONPATH="$1/program:$1/packages"
shift 3
exec setpriv $NO_RIGHTS "$@"
"""
NO_RIGHTS = ("--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")


def plain_users_python() -> str | None:
    """A Python like ours that a plain user may run: ours may lie in a home directory."""
    wanted = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        done = subprocess.run(["setpriv", *NO_RIGHTS, "sh", "-c", f'{python} -c "{wanted}"'], capture_output=True)
        if done.returncode == 0:
            return python
    return None


def test_a_plain_user_runs_it_in_a_user_namespace(laboratory: Laboratory, two: Path) -> None:
    python = plain_users_python()
    if python is None:
        pytest.skip("no Python that a plain user may run: install python3 of the same version in /usr/bin")
    copied = laboratory.state / "two"
    shutil.copytree(two, copied)
    for path in (laboratory.state, copied, *copied.iterdir()):
        os.chown(path, 65534, 65534)
    lab = f"{python} -m iosish lab"
    script = f"{lab} up --detach {copied} && {lab} exec Left -- ping -c1 -W2 10.0.0.2 && {lab} status && {lab} down"
    program, packages = Path(__file__).parents[2], Path(pyparsing.__file__).parents[1]
    where = [str(laboratory.state), str(program), str(packages)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", PLAIN, "sh", *where, "sh", "-c", script],
        capture_output=True,
        text=True,
        env={**laboratory.environment, "HOME": str(laboratory.state), "NO_RIGHTS": " ".join(NO_RIGHTS)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "1 received" in done.stdout
    assert "│ Left │ Et0/0 10.0.0.1 ─── 10.0.0.0/24 ─── Et0/0 10.0.0.2 │ Right │" in done.stdout
    assert laboratory.remains() == []


def test_without_the_rights_one_line_says_what_is_missing(laboratory: Laboratory, two: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *IOSISH, "lab", "up", str(two)],
        capture_output=True,
        text=True,
        env=laboratory.environment,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "run it as root, or start the container with --privileged" in done.stderr


def test_many_starts_of_one_name_give_one_lab(laboratory: Laboratory, two: Path) -> None:
    commands = [
        subprocess.Popen(
            [*IOSISH, "lab", "up", "--detach", "--name", laboratory.name, str(two)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=laboratory.environment,
        )
        for _ in range(3)
    ]
    results = []
    for command in commands:
        assert command.stderr is not None
        results.append((command.wait(60), command.stderr.read()))
        command.stderr.close()
    assert sorted(status for status, _ in results) == [0, 2, 2]
    assert all("up" in said and "Traceback" not in said for _, said in results)
    assert laboratory.lab("status").returncode == 0
