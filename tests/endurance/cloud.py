"""The encrypted lab that is hurt: what its routers are to be configured as, and when it is whole again."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from iosish.lab.ask import ask
from tests.endurance.flows import Flows, Pair, inner_address, tunnel_address
from tests.endurance.remains import Census, census, differences
from tests.endurance.wires import Wires
from tests.live.crypto import PROTECTED, isakmp
from tests.live.lab import SPOKES, Lab, configuration, until
from tests.live.wire_watch import NBMA

HUB = "R1"
SHIPPED = Path("running-configs/dmvpn-ipsec")
#: Nothing that heals by itself takes longer.
CEILING_S = 45.0
#: Lines that make a configuration long enough to be cut, and a write of it long enough to be hit.
HOSTS = 300
#: A pair passes when an echo of the last so many seconds was answered: each is sent every 0.2 s.
FRESH_S = 1.0
#: What the parent allows a router a minute without a pause (iosish/lab/member.py).
DEATHS_A_MINUTE = 5


def configuration_of(router: str) -> str:
    """The shipped file with a network behind the router, `registration timeout 5`, and SAs that end soon on R3, R4."""
    others = [other for other in PROTECTED if other != router]
    loopback = f"interface Loopback0\n description at first\n ip address {inner_address(router)} 255.255.255.255\n!\n"
    routes = [f"ip route {inner_address(other)} 255.255.255.255 {tunnel_address(other)}" for other in others]
    tunnel = ["ip tcp adjust-mss 1300"]
    if router in SPOKES:
        tunnel.append("ip nhrp registration timeout 5")
    # A peer that was killed is noticed by its silence.
    crypto = ["crypto isakmp keepalive 10 2", "crypto isakmp invalid-spi-recovery"]
    if router == "R3":
        crypto.append("crypto ipsec security-association lifetime seconds 120")
    if router == "R4":
        crypto.append("crypto ipsec security-association lifetime kilobytes 2560")
    hosts = [f"ip host host{number}.example.net 172.20.{number // 250}.{number % 250 + 1}" for number in range(HOSTS)]
    text = (SHIPPED / f"{router}.cfg").read_text().removesuffix("end\n")
    text = text.replace(
        "interface Tunnel0\n", loopback + "interface Tunnel0\n" + "".join(f" {line}\n" for line in tunnel)
    )
    return text + "\n".join([*routes, *crypto, *hosts, "end", ""])


class Cloud:
    """Four protected routers and one between them, with senders and captures, as a context.

    `saved` is the startup-config of each router by what was typed: its lines. `disk` is a folder to live in.
    """

    def __init__(self, disk: Path | None = None) -> None:
        self._stack = ExitStack()
        self._disk = disk
        self.deaths: dict[str, list[float]] = {router: [] for router in PROTECTED}

    def __enter__(self) -> Cloud:
        with ExitStack() as stack:
            self.lab = Lab(self._disk)
            stack.callback(self.lab.close)
            source = self.lab.state / "source"
            source.mkdir()
            for router in PROTECTED:
                (source / f"{router}.cfg").write_text(configuration_of(router))
            (source / "R5.cfg").write_text((SHIPPED / "R5.cfg").read_text())
            self.lab.up(str(source))
            self.flows = stack.enter_context(Flows(self.lab.name, PROTECTED, Pair("R4", HUB, inner=True)))
            self.wires = stack.enter_context(Wires(self.lab))
            for router in PROTECTED:
                assert "[OK]" in self.lab.look(router, "write memory")
                self.lab.look(router, "copy running-config flash:first.cfg", "delete /force flash:first.cfg")
            self.saved = {router: self.lab.running(router) for router in PROTECTED}
            self.expect_whole(time.monotonic())
            self.at_rest = self.census()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # Who is there

    def pid(self, router: str) -> int | None:
        """The router's process, if there is one, as the lab's parent says: on a full disk its record is late."""
        answer = ask(self.lab.state / "run" / f"lab-{self.lab.name}" / "lab.sock", {"verb": "status"})
        found: int | None = answer["routers"][router]["pid"]
        return found

    def startup_file(self, router: str) -> Path:
        (found,) = self.lab.state.glob(f"lab-{self.lab.name}-*/{router}.cfg")
        return found

    def flash(self, router: str) -> Path:
        """The folder behind `flash:`."""
        return self.startup_file(router).parent / router / "flash"

    def startup_lines(self, router: str) -> list[str]:
        """The lines of the startup-config on disk."""
        return configuration(self.startup_file(router).read_text())

    def await_turn(self, router: str) -> float:
        """Wait until the parent would restart a router without a pause, which this is not about. Gives seconds."""
        began = time.monotonic()
        while len([at for at in self.deaths[router] if at > time.monotonic() - 61.0]) >= DEATHS_A_MINUTE:
            time.sleep(0.1)
        return time.monotonic() - began

    def log(self) -> str:
        """What the lab's parent and its routers complained of."""
        return "".join(path.read_text() for path in self.lab.state.glob("lab-*/lab.log"))

    # Whether all is well

    def expect_whole(self, since: float) -> float:
        """Wait until all SAs, registrations and flows are there by themselves; gives when (monotonic, seconds)."""
        troubles: list[str] = []

        def whole() -> bool:
            troubles[:] = self.troubles(since)
            return not troubles

        ends = time.monotonic() + CEILING_S
        while not whole():
            assert time.monotonic() < ends, f"not converged within {CEILING_S:.0f} s: {'; '.join(troubles)}"
            time.sleep(0.05)
        return time.monotonic()

    def troubles(self, since: float) -> list[str]:
        """What is not as it should be, in words, the cheapest to find out first."""
        silent = self.flows.silent(max(since, time.monotonic() - FRESH_S))
        if silent:
            return [f"no echo is answered: {', '.join(map(str, silent))}"]
        missing = set(SPOKES.values()) - self.lab.up_peers(HUB)
        if missing:
            return [f"not UP on the hub: {', '.join(sorted(missing))}"]
        states = isakmp(self.lab, HUB)
        found = [
            f"no QM_IDLE with {spoke}: {states.get(NBMA[spoke])}"
            for spoke in SPOKES
            if "QM_IDLE" not in states.get(NBMA[spoke], ())
        ]
        for router in PROTECTED:
            status = self.lab.status(router)
            if not status:
                found.append(f"{router} does not answer")
                continue
            found += [
                f"{router}: {name} is down ({state['reason']})"
                for name, state in status["interfaces"].items()
                if state["admin_up"] and not state["line_up"]
            ]
            found += [f"{router}: NHS {server['address']} is silent" for server in status["nhs"] if not server["up"]]
        return found

    def expect_saved_runs(self) -> None:
        """Every router runs what it saved, and has that on its disk."""
        for router in PROTECTED:
            running, on_disk = self.lab.running(router), self.startup_lines(router)
            assert running == self.saved[router], f"{router} runs {_first_difference(running, self.saved[router])}"
            assert on_disk == self.saved[router], f"{router} has {_first_difference(on_disk, self.saved[router])}"

    def census(self) -> Census:
        return census(self.lab)

    def expect_nothing_left(self) -> None:
        """Processes, descriptors, namespaces, devices, routes, tables and files are as they were at rest."""
        left: list[str] = []

        def same() -> bool:
            left[:] = differences(self.at_rest, self.census())
            return not left

        try:
            until(same, "nothing is left", 15.0)
        except AssertionError:
            raise AssertionError("left behind: " + "; ".join(left[:20])) from None


def _first_difference(found: list[str], expected: list[str]) -> str:
    for number, (one, other) in enumerate(zip(found, expected, strict=False), 1):
        if one != other:
            return f"{one!r} in line {number} where {other!r} was saved"
    return f"{len(found)} lines where {len(expected)} were saved"
