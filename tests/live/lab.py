"""A running lab for tests: consoles, configuration that is taken back, captures. Gone also when a test is killed."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from scapy.layers import inet  # noqa: F401 # lets captured frames be decoded
from scapy.packet import Packet
from scapy.utils import PcapNgReader

from tests.lab.laboratory import CEILING_S, IOSISH, Laboratory

#: Takes the lab down when its standard input ends: when the test closes it, or when the test's process is no more.
GUARD = 'cat >/dev/null; "$@"; rm -rf "$IOSISH_STATE_DIR"'

ROUTERS = ("R1", "R2", "R3", "R4", "R5")
HUB = "192.168.0.1"
SPOKES = {"R2": "192.168.0.2", "R3": "192.168.0.3", "R4": "192.168.0.4"}

T = TypeVar("T")


def until(found: Callable[[], T], what: str, ceiling_s: float = CEILING_S) -> T:
    """Wait until `found` gives something true, and give that. There is a ceiling, not a time to keep: a look that began
    before it does not tell what is so then, however long it took."""
    ends = time.monotonic() + ceiling_s
    while True:
        began = time.monotonic()
        if result := found():
            return result
        assert began < ends, f"still not: {what}"
        time.sleep(0.02)


def ask(path: Path, request: str) -> bytes:
    """What a router's socket answers; nothing while the router is not there."""
    answer = b""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(CEILING_S)
        connection.connect(str(path))
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            answer += data
    return answer


class Lab(Laboratory):
    """A lab under a random name, with a state folder of its own. It ends by `close`, or with this process."""

    def __init__(self, state: Path | None = None) -> None:
        super().__init__(state)
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, "sh", *IOSISH, "lab", "down", "--name", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            start_new_session=True,  # Ctrl-C at the tests is not for it
        )

    def close(self) -> None:
        self._guard.communicate()
        assert self.remains() == []

    def socket(self, router: str) -> Path:
        """Where a router listens."""
        return self.state / "run" / f"lab-{self.name}" / f"{router}.sock"

    # What a router says

    def look(self, router: str, *commands: str) -> str:
        """What `console` prints, quicker: for waiting. Empty while the router is not there."""
        text = "".join(f"{line}\n" for line in commands)
        answer = self._ask(router, f'{{"kind": "command"}}\n{text}')
        return answer.partition(b"\0")[0].decode()

    def status(self, router: str) -> dict[str, Any]:
        """The router's own report."""
        found: dict[str, Any] = json.loads(self._ask(router, '{"kind": "status"}\n') or "{}")
        return found

    def _ask(self, router: str, request: str) -> bytes:
        return ask(self.socket(router), request)

    def peers(self, router: str) -> dict[str, tuple[str, str, str]]:
        """`show dmvpn` by tunnel address: NBMA address, state, attribute."""
        return peers(self.look(router, "show dmvpn"))

    def up_peers(self, router: str) -> set[str]:
        """The tunnel addresses that `show dmvpn` says are UP."""
        return {address for address, (_, state, _) in self.peers(router).items() if state == "UP"}

    def expect_peers(
        self, router: str, expected: dict[str, tuple[str, str, str]], ceiling_s: float = CEILING_S
    ) -> None:
        """Wait until `show dmvpn` has exactly these rows."""
        until(lambda: self.peers(router) == expected, f"{router} shows {expected}", ceiling_s)

    def expect_up(self, router: str, expected: Iterable[str], ceiling_s: float = CEILING_S) -> None:
        """Wait until exactly these tunnel addresses are UP."""
        until(lambda: self.up_peers(router) == set(expected), f"{router} shows {expected} as UP", ceiling_s)

    def expect_still(self) -> None:
        """Wait until nothing moves in a cloud at rest: spokes have registered again, and all questions are answered."""

        def still() -> bool:
            screens = [self.look(spoke, "show ip nhrp nhs detail") for spoke in SPOKES]
            return all(
                re.search(r"Current Request ID: (\d+) \(Ack: \1\)", nhs)
                and "Pending" not in nhs
                and re.search("req-sent [2-9] ", nhs)
                for nhs in screens
            )

        until(still, "nothing moves any more")

    def running(self, router: str) -> list[str]:
        """The lines of `show running-config`, from `hostname` to `end`."""
        return configuration(self.look(router, "show running-config"))

    # What is done to a router

    def configure(self, router: str, text: str) -> None:
        """Type configuration lines; none may be refused."""
        self.console(router, "configure terminal", *text.strip("\n").split("\n"), "end")

    @contextlib.contextmanager
    def configured(self, router: str, text: str, undone_by: str) -> Iterator[None]:
        """Type configuration lines, and at the end those that take them back."""
        try:
            self.configure(router, text)
            yield
        finally:
            self.configure(router, undone_by)

    def settle(self, router: str) -> None:
        """Return when every interface of a router is up and every next-hop server answers."""

        def settled() -> bool:
            found = self.status(router)
            return bool(found) and (
                all(state["line_up"] for state in found["interfaces"].values() if state["admin_up"])
                and all(server["up"] for server in found["nhs"])
            )

        until(settled, f"{router} is up and registered")

    def forwarder_pid(self, router: str) -> int:
        """The process that carries a router's packets: the one child of the router's own."""
        pid = self.router_pid(router)
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)

    def capture(self, router: str, interface: str) -> Capture:
        """Capture what passes an interface, as a context."""
        return Capture(self, router, interface)


class Capture:
    """`iosish lab capture` into a file, from the moment that the context is entered."""

    def __init__(self, lab: Lab, router: str, interface: str) -> None:
        self.path = lab.state / f"{router}-{interface.replace('/', '-')}.pcapng"
        self._out = self.path.open("wb")
        self._process = subprocess.Popen(
            [*IOSISH, "lab", "capture", "--name", lab.name, router, interface], stdout=self._out, env=lab.environment
        )

    def __enter__(self) -> Capture:
        until(lambda: self.path.stat().st_size > 0, "the capture has begun")
        return self

    def packets(self) -> list[Packet]:
        """What has been captured so far, decoded by scapy."""
        try:
            with PcapNgReader(str(self.path)) as reader:
                return list(reader)
        except EOFError:
            return []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(CEILING_S)
        self._out.close()


def peers(table: str) -> dict[str, tuple[str, str, str]]:
    """The rows of `show dmvpn` by tunnel address: NBMA address, state, attribute."""
    row = re.compile(r" +\d+ (\d\S+) +(\d\S+) +(\S+) +\S+ +(\S+) *$", re.MULTILINE)
    return {address: (nbma, state, attribute) for nbma, address, state, attribute in row.findall(table)}


def configuration(screen: str) -> list[str]:
    """The lines of a running-config that are not separators, from `hostname` to `end`."""
    lines = [line for line in screen.split("\n") if line.strip(" !")]
    start = next((place for place, line in enumerate(lines) if line.startswith("hostname ")), len(lines))
    return lines[start:]
