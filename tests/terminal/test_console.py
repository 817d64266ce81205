"""The control socket and the thin client, over real sockets and a pseudo-terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from iosish.terminal.server import CLIENTS_LIMIT, Server
from tests.terminal.router import Router

CLIENT = "import sys; from iosish.terminal.console import main; sys.exit(main(sys.argv[1], sys.argv[2:] or None))"
CEILING_S = 20


class Running:
    """A server with its own loop in a thread, as a router's process has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.router = Router()
        self.state = {"hostname": "R1", "changes": 0}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.server = Server(self.router, path, lambda: self.state)

    def __enter__(self) -> Running:
        self.thread.start()
        self.call(self.server.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def call(self, coroutine: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        return future.result(CEILING_S)

    def connect(self, header: object) -> socket.socket:
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(CEILING_S)
        client.connect(str(self.path))
        client.sendall(header if isinstance(header, bytes) else json.dumps(header).encode() + b"\n")
        return client

    def clients(self) -> int:
        async def count() -> int:
            return len(self.server._clients)

        number: int = self.call(count())
        return number


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with Running(tmp_path / "control" / "R1") as server:
        yield server


def read_all(client: socket.socket) -> bytes:
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def read_until(descriptor: int, mark: bytes, data: bytes = b"") -> bytes:
    """What comes from a pseudo-terminal, up to a mark."""
    while mark not in data:
        ready, _, _ = select.select([descriptor], [], [], CEILING_S)
        assert ready, data
        data += os.read(descriptor, 4096)
    return data


def client(path: Path, *commands: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CLIENT, str(path), *commands], **options)


def test_the_socket_is_only_for_its_owner(running: Running) -> None:
    assert running.path.parent.stat().st_mode & 0o777 == 0o700
    assert running.path.stat().st_mode & 0o777 == 0o600


def test_a_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    server = Server(Router(), tmp_path / "open" / "R1", dict)
    with pytest.raises(PermissionError):
        asyncio.run(server.start())


def test_commands_and_their_status(running: Running) -> None:
    for lines, answer in (
        (b"show clock\n", b"*12:00:00.000 UTC Sun Mar 1 2026\n\x000"),
        (b"show x", b"marker.\n\n\x001"),
    ):
        connection = running.connect({"kind": "command"})
        connection.sendall(lines)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).endswith(answer)


def test_status_and_watch(running: Running) -> None:
    assert json.loads(read_all(running.connect({"kind": "status"}))) == {"hostname": "R1", "changes": 0}
    watcher = running.connect({"kind": "watch"}).makefile()
    assert json.loads(watcher.readline())["changes"] == 0
    running.state["changes"] = 1
    running.loop.call_soon_threadsafe(running.server.changed)
    assert json.loads(watcher.readline())["changes"] == 1


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n",
        b"\n",
        b"[]\n",
        b"{}\n",
        b'{"kind": 7}\n',
        b"[" * 4000 + b"\n",
        b"\xff\x00\n",
        b"{" * 100_000,
    ],
)
def test_a_header_that_is_none(running: Running, header: bytes) -> None:
    try:
        answer = read_all(running.connect(header))
    except (ConnectionResetError, BrokenPipeError):
        answer = b""
    assert answer in (b"", b'{"error": "no such kind of session"}\n')


@pytest.mark.parametrize("size", [-1, 10**9, "80", None, True, 1.5])
def test_a_size_that_is_none(running: Running, size: object) -> None:
    connection = running.connect({"kind": "console", "columns": size, "rows": size})
    connection.sendall(b"exit\r")
    assert read_all(connection) == b"R1>exit\r\n"


def test_too_many_clients(running: Running) -> None:
    waiting = [running.connect({"kind": "watch"}) for _ in range(CLIENTS_LIMIT)]
    for watcher in waiting:
        watcher.recv(4096)
    with suppress(ConnectionResetError, BrokenPipeError):
        assert read_all(running.connect({"kind": "status"})) == b""
    for watcher in waiting:
        watcher.close()


def test_a_client_that_dies_leaves_nothing(running: Running) -> None:
    connection = running.connect({"kind": "console"})
    connection.sendall(b"ping 10.0.0.1 repeat 2000000000\r")
    while b"!!!" not in connection.recv(4096):
        pass
    connection.close()
    watcher = running.connect({"kind": "watch"})
    watcher.recv(4096)

    async def only_the_watcher() -> None:
        async with asyncio.timeout(CEILING_S):
            while len(running.server._clients) > 1:  # noqa: ASYNC110 the end of a session has no sign but this
                await asyncio.sleep(0.01)

    running.call(only_the_watcher())
    assert running.server.sessions() == ()
    watcher.close()


def test_a_client_that_does_not_read_is_paused(running: Running) -> None:
    connection = running.connect({"kind": "command"})
    lines = b"show numbers\n" * 200_000
    connection.setblocking(False)
    sent = 0
    while sent < len(lines):
        _, writable, _ = select.select([], [connection], [], 0.5)
        if not writable:
            break  # the router takes no more: nobody reads its answers
        sent += connection.send(lines[sent : sent + 65536])
    assert sent < len(lines)
    connection.close()


def test_consoles_get_lines_of_their_own(running: Running) -> None:
    first = running.connect({"kind": "console"})
    first.recv(100)
    second = running.connect({"kind": "console"})
    second.recv(100)
    assert [(state.number, state.line) for state in running.server.sessions()] == [(0, "con 0"), (2, "vty 0")]
    first.close()
    second.close()


def test_a_script_through_the_client(running: Running) -> None:
    script = client(running.path, "show clock", "foo", stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    output, _ = script.communicate(timeout=CEILING_S)
    assert script.returncode == 1
    assert output.decode().splitlines() == [
        "*12:00:00.000 UTC Sun Mar 1 2026",
        'Translating "foo"...domain server (255.255.255.255)',
        "% Bad IP address or host name",
        "% Unknown command or computer name, or unable to find computer address",
    ]


def test_a_long_script_on_standard_input(running: Running) -> None:
    lines = b"conf t\ninterface Tunnel0\n" + b"".join(b" ip mtu %d\n" % (1000 + n % 400) for n in range(10_000))
    script = client(running.path, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    output, _ = script.communicate(lines + b"end\nshow numbers | count line\n", timeout=CEILING_S)
    assert (script.returncode, output) == (0, b"Number of lines which match regexp = 40\n")
    assert running.router.config.interfaces["Tunnel0"].ip_mtu == 1399


def test_no_router_there(tmp_path: Path) -> None:
    script = client(tmp_path / "R9", "show clock", stderr=subprocess.PIPE)
    _, said = script.communicate(timeout=CEILING_S)
    assert script.returncode == 2
    assert b"no router listens on" in said and b"Traceback" not in said


def test_a_console_at_a_terminal_and_the_terminal_afterwards(running: Running) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    console = client(running.path, stdin=slave, stdout=slave, stderr=slave)
    read_until(master, b"R1>")
    os.write(master, b"en\t\r")
    read_until(master, b"R1#")
    os.write(master, b"show cl?")
    read_until(master, b"clock")
    os.write(master, b"\rexit\r")
    assert console.wait(CEILING_S) == 0
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_what_was_typed_before_the_console_is_there_is_for_the_router(running: Running) -> None:
    master, slave = pty.openpty()
    os.write(master, b"show clock\rshow")
    process = client(running.path, stdin=slave, stdout=slave, stderr=slave)
    try:
        data = read_until(master, b"R1>show clock")
        read_until(master, b"R1>show", data.partition(b"R1>show clock")[2])
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("how", ["escape", "SIGTERM", "SIGHUP", "SIGINT"])
def test_the_terminal_is_put_back_however_the_console_ends(running: Running, how: str) -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    console = client(running.path, stdin=slave, stdout=slave, stderr=slave)
    read_until(master, b"R1>")
    if how == "escape":
        os.write(master, b"\x1d")
    else:
        console.send_signal(signal.Signals[how])
    console.wait(CEILING_S)
    assert console.returncode == (0 if how == "escape" else 128 + signal.Signals[how])
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_a_terminal_that_is_closed_ends_the_console_without_a_word(running: Running) -> None:
    master, slave = pty.openpty()
    console = client(running.path, stdin=slave, stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    read_until(master, b"R1>")
    os.close(master)
    _, said = console.communicate(timeout=CEILING_S)
    assert said == b""


def test_the_end_of_the_router_ends_the_console(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    with Running(tmp_path / "control" / "R1") as server:
        console = client(server.path, stdin=slave, stdout=slave, stderr=slave)
        read_until(master, b"R1>")
    assert console.wait(CEILING_S) == 0
    os.close(master)
    os.close(slave)


def test_the_client_imports_next_to_nothing() -> None:
    """Its first prompt is to be there in 0.05 s."""
    code = "import sys, iosish.terminal.console; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"asyncio", "argparse", "prompt_toolkit", "pyparsing", "typing", "re2", "scapy"} & set(loaded)
