"""What goes on at a router while it, or its forwarder, is killed."""

from __future__ import annotations

import contextlib
import random
import socket
import string
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.endurance.cloud import Cloud
from tests.lab.laboratory import CEILING_S
from tests.live.lab import configuration
from tests.live.wire_watch import NBMA


class Gone(Exception):
    """The router ended in the middle of a conversation."""


class Script:
    """A scripted session with a router, held open. Raises Gone."""

    def __init__(self, cloud: Cloud, router: str) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(CEILING_S)
        self._heard = b""
        try:
            self._connection.connect(str(cloud.lab.socket(router)))
        except OSError:
            self._connection.close()
            raise Gone from None
        self._say('{"kind": "command"}\n')

    def close(self) -> None:
        self._connection.close()

    def _say(self, text: str) -> None:
        try:
            self._connection.sendall(text.encode())
        except OSError:
            raise Gone from None

    def run(self, text: str) -> str:
        """Type lines; give what was printed once all have been executed."""
        self._say(text + "end\nshow privilege\n")
        mark = b"Current privilege level is 15\n"
        while mark not in self._heard:
            try:
                data = self._connection.recv(65536)
            except OSError:
                data = b""
            if not data:
                raise Gone
            self._heard += data
        answer, _, self._heard = self._heard.partition(mark)
        return answer.decode()


@dataclass
class Activity:
    """Runs in a thread from `begin` until the router dies, or until `end`; then `undo` takes back what was typed.

    `within_s` is the time in which to kill, counted from the first thing that was done.
    """

    cloud: Cloud
    router: str
    draw: random.Random
    name: ClassVar[str] = ""
    within_s: ClassVar[float] = 0.5
    error: BaseException | None = None
    _under_way: threading.Event = field(default_factory=threading.Event)
    _ending: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        """Return when it is under way."""
        self._thread.start()
        assert self._under_way.wait(CEILING_S), f"{self.name} has not begun"

    def end(self) -> None:
        """Finish what is being done, and stop. Raises AssertionError when it went wrong."""
        self._ending.set()
        self._thread.join(CEILING_S)
        assert not self._thread.is_alive(), f"{self.name} does not end"
        assert self.error is None, f"{self.name}: {self.error}"

    def _run(self) -> None:
        try:
            script = Script(self.cloud, self.router)
            with contextlib.closing(script):
                self._work(script)
        except Gone:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._under_way.set()

    def _work(self, script: Script) -> None:
        """Do it, by a session with the router. Raises Gone."""
        self._under_way.set()

    def may_be_saved(self) -> list[list[str]]:
        """The startup-configs that may stand when it is cut short, the latest last."""
        return [self.cloud.saved[self.router]]

    def undo(self) -> None:
        """Take back what is not saved, after an end in peace."""

    def check(self) -> None:
        """Whether what it left besides a startup-config is whole; remove that. Raises AssertionError."""

    def found(self) -> str:
        """What the kill hit, for the line about it."""
        return ""


class Traffic(Activity):
    name = "traffic"


class Saving(Activity):
    """`write memory` in a loop, each time of another configuration."""

    name = "write memory"
    command: ClassVar[str] = "write memory"
    done: ClassVar[str] = "[OK]"

    def _work(self, script: Script) -> None:
        self.confirmed = self.begun = self.cloud.saved[self.router]
        place = next(number for number, line in enumerate(self.begun) if line.startswith(" description "))
        while not self._ending.is_set():
            text = "".join(self.draw.choices(string.ascii_letters, k=self.draw.randrange(1, 200)))
            self.begun = [*self.begun]
            self.begun[place] = f" description {text}"
            said = script.run(f"configure terminal\ninterface Loopback0\n description {text}\nend\n{self.command}\n")
            if self.done in said:
                self.confirmed = self.begun
            else:
                self.failed(said)
            self._under_way.set()

    def failed(self, said: str) -> None:
        """It was not saved. Raises AssertionError where that is not expected."""
        raise AssertionError(said)

    def may_be_saved(self) -> list[list[str]]:
        return [self.confirmed, self.begun]

    def file(self) -> Path:
        """What is written."""
        return self.cloud.startup_file(self.router)


class Copying(Saving):
    """The same into a file of `flash:`; of the configuration nothing is saved."""

    name = "copy"
    command = "copy running-config flash:endured.cfg"
    done = "bytes copied"

    def may_be_saved(self) -> list[list[str]]:
        return [self.cloud.saved[self.router]]

    def file(self) -> Path:
        return self.cloud.flash(self.router) / "endured.cfg"

    def undo(self) -> None:
        first = next(line for line in self.cloud.saved[self.router] if line.startswith(" description "))
        self.cloud.lab.look(self.router, "configure terminal", "interface Loopback0", first, "end")

    def check(self) -> None:
        copied = configuration(self.file().read_text())
        assert copied in (self.confirmed, self.begun), "the copy in flash: is neither the old nor the new one"
        self.stood = "old text" if copied == self.confirmed else "new text"
        self.cloud.lab.look(self.router, "delete /force flash:endured.cfg")

    def found(self) -> str:
        return self.stood


#: Blocks of a paste: hundreds of lines, most of which reach the kernel.
BLOCKS = 100


class Pasting(Activity):
    """Hundreds of lines at once, of which none is saved."""

    name = "paste"
    within_s = 0.3
    whole = False

    def _work(self, script: Script) -> None:
        lines = []
        for number in range(BLOCKS):
            lines += [
                f"interface Loopback{100 + number}",
                f" description pasted {self.draw.random()}",
                f" ip address 172.21.{number}.1 255.255.255.255",
                f"ip route 172.22.{number}.0 255.255.255.0 {'Null0' if number % 2 else _next_hop(self.router)}",
                f"ip host pasted{number} 172.21.{number}.1",
            ]
        self._under_way.set()
        script.run("configure terminal\n" + "\n".join(lines) + "\n")
        self.whole = True

    def undo(self) -> None:
        lines = []
        for number in range(BLOCKS):
            lines += [
                f"no interface Loopback{100 + number}",
                f"no ip route 172.22.{number}.0 255.255.255.0 {'Null0' if number % 2 else _next_hop(self.router)}",
                f"no ip host pasted{number}",
            ]
        self.cloud.lab.look(self.router, "configure terminal", *lines, "end")

    def found(self) -> str:
        return "after its end" if self.whole else "in its midst"


def _next_hop(router: str) -> str:
    return NBMA[router].removesuffix("2") + "1"


_TUNNEL = "interface Tunnel0\n {}\n"
#: Changes of a tunnel, and what takes them back. None takes its protection off: clear GRE would be right then.
CHANGES: dict[str, tuple[str, str]] = {
    "key": (_TUNNEL.format("tunnel key 5"), _TUNNEL.format("no tunnel key")),
    "MTU": (_TUNNEL.format("ip mtu 1300"), _TUNNEL.format("no ip mtu")),
    "MSS": (_TUNNEL.format("ip tcp adjust-mss 1200"), _TUNNEL.format("ip tcp adjust-mss 1300")),
    "holdtime": (_TUNNEL.format("ip nhrp holdtime 60"), _TUNNEL.format("no ip nhrp holdtime")),
    "source": (_TUNNEL.format("tunnel source FastEthernet0/0"), _TUNNEL.format("tunnel source {address}")),
    "no source": (_TUNNEL.format("no tunnel source"), _TUNNEL.format("tunnel source {address}")),
    "mode": (_TUNNEL.format("tunnel mode gre ip"), _TUNNEL.format("tunnel mode gre multipoint")),
    "authentication": (
        _TUNNEL.format("ip nhrp authentication else"),
        _TUNNEL.format("no ip nhrp authentication"),
    ),
    "profile": (
        _TUNNEL.format("tunnel protection ipsec profile Nowhere"),
        _TUNNEL.format("tunnel protection ipsec profile MyProfile"),
    ),
    "transform set": (
        "crypto ipsec transform-set MyTransformSet esp-3des esp-sha-hmac\nexit\n",
        "crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac\nexit\n",
    ),
}


class Applying(Activity):
    """A line of the tunnel changed and changed back, in a loop."""

    name = "apply"

    def _work(self, script: Script) -> None:
        self.change = self.draw.choice(sorted(CHANGES))
        away, back = (text.replace("{address}", NBMA[self.router]) for text in CHANGES[self.change])
        try:
            while not self._ending.is_set():
                script.run(f"configure terminal\n{away}")
                self._under_way.set()
                self._ending.wait(0.05)
                script.run(f"configure terminal\n{back}")
        finally:
            self._under_way.set()

    def found(self) -> str:
        return self.change


class Rekeying(Activity):
    """All SAs made anew, from here or from the other end. R3 and R4 do so by time and volume besides."""

    name = "rekey"
    within_s = 0.3

    def _work(self, script: Script) -> None:
        command = self.draw.choice(["clear crypto sa", "clear crypto session", "clear crypto isakmp"])
        other = self.draw.choice([router for router in self.cloud.saved if router != self.router])
        at = self.draw.choice([self.router, other])
        self._what = f"{command} at {at}"
        if at == self.router:
            script.run(f"{command}\n")
        else:
            self.cloud.lab.look(at, command)
        self._under_way.set()

    def found(self) -> str:
        return self._what


ACTIVITIES: dict[str, Callable[[Cloud, str, random.Random], Activity]] = {
    kind.name: kind for kind in (Saving, Pasting, Applying, Rekeying, Traffic, Copying)
}
