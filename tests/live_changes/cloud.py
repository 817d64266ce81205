"""The lab whose lines are changed: the classic one with a second tunnel beside each first, under flows all the time."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from types import TracebackType

from iosish import resources
from tests.endurance.wires import Wires
from tests.live.crypto import PROTECTED, isakmp
from tests.live.lab import ROUTERS, SPOKES, Lab, until
from tests.live.wire_watch import NBMA
from tests.live_changes import agreement
from tests.live_changes.flows import End, Flow, Flows
from tests.simulation.encrypted_lab import with_lines
from tests.simulation.live_lines import TRANSIT, second

#: Between two others, by the hub's second tunnel, and through the tunnel that is changed: of R1, the hub, and of R2.
DIRECT = Flow("direct", End("R3", "192.168.0.3"), End("R4", "192.168.0.4"))
BESIDE = Flow("beside", End("R2", "192.168.1.2"), End("R1", "172.30.1.1"))
SAME = Flow("same", End("R2", "192.168.0.2"), End("R1", "192.168.0.1"))
#: The longest that anything takes to heal by itself, as in memory.
CEILING_S = 75.0
#: What `show` and the kernel need to follow.
AGREE_WITHIN_S = 5.0
#: A flow passes when something arrived that left in the last so many seconds.
FRESH_S = 0.5


class Cloud:
    """Four routers and one between them, as a context."""

    def __init__(self, *, encrypted: bool) -> None:
        self.encrypted = encrypted
        self._stack = ExitStack()

    def __enter__(self) -> Cloud:
        with ExitStack() as stack:
            self.lab = Lab()
            stack.callback(self.lab.close)
            source = self.lab.state / "source"
            source.mkdir()
            shipped = resources.folder("running-configs") / ("dmvpn-ipsec" if self.encrypted else "dmvpn")
            for router in ROUTERS:
                lines = TRANSIT if router == "R5" else second(int(router[1]), encrypted=self.encrypted)
                (source / f"{router}.cfg").write_text(with_lines((shipped / f"{router}.cfg").read_text(), lines))
            self.lab.up(str(source))
            self.flows = stack.enter_context(Flows(self.lab.name, (DIRECT, BESIDE, SAME)))
            self.wires = stack.enter_context(Wires(self.lab)) if self.encrypted else None
            self.configured = {router: self.lab.running(router) for router in PROTECTED}
            self.expect_whole(time.monotonic())
            self.expect_agreement(*PROTECTED)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def type(self, router: str, lines: str) -> None:
        """Configuration lines at a router's console; none may be refused."""
        said = self.lab.look(router, "configure terminal", *lines.split("\n"), "end")
        assert not re.search(r"^% |\^$", said, re.MULTILINE), said

    def expect_whole(self, since: float) -> float:
        """Wait until all are registered and all flows pass, of what left after `since`; gives how long that took."""
        troubles: list[str] = []

        def whole() -> bool:
            troubles[:] = self._troubles(since)
            return not troubles

        began = time.monotonic()
        while not whole():
            assert time.monotonic() < began + CEILING_S, f"not as before after {CEILING_S:.0f} s: {'; '.join(troubles)}"
            time.sleep(0.05)
        return time.monotonic() - began

    def expect_agreement(self, *routers: str) -> None:
        """What routers show is soon what their kernels have."""
        for router in routers:
            differences: list[str] = []

            def agrees(router: str = router, differences: list[str] = differences) -> bool:
                differences[:] = agreement.look(self.lab, router).differences()
                return not differences

            try:
                until(agrees, "show and kernel agree", AGREE_WITHIN_S)
            except AssertionError:
                raise AssertionError(f"{router}: {'; '.join(differences)}") from None

    def expect_as_configured(self, router: str) -> None:
        """A section that was taken away and made again stands below the others of its kind."""
        found, wanted = _sections(self.lab.running(router)), _sections(self.configured[router])
        assert found == wanted, f"{router} runs {[each for each in found if each not in wanted]}"

    def expect_protected(self) -> None:
        """What leaves is sealed by SAs that both ends know, for each of the hub's protected pairs."""
        if not self.encrypted:
            return
        sas = {router: self.lab.look(router, "show crypto ipsec sa") for router in PROTECTED}
        inbound = {router: set(re.findall(r"^      spi: (0x\w+)", text, re.MULTILINE)) for router, text in sas.items()}
        for router, screen in sas.items():
            for peer, spi in re.findall(r"current_peer (\S+) port (?:.*\n)*?.*current outbound spi: (0x\w+)", screen):
                other = next(name for name, nbma in NBMA.items() if peer in (nbma, f"172.31.{name[1]}.{name[1]}"))
                assert spi == "0x0" or spi in inbound[other], f"{router} seals for {other} with {spi}, unknown there"

    def leaks(self) -> list[str]:
        """What could be read on the wires since this was asked last."""
        return [] if self.wires is None else self.wires.leaks()

    def _troubles(self, since: float) -> list[str]:
        """What is not as it should be, in words, the cheapest to find out first."""
        silent = self.flows.silent(max(since, time.monotonic() - FRESH_S))
        if silent:
            return [f"nothing arrives: {', '.join(silent)}"]
        wanted = {f"192.168.{tunnel}.{spoke[1]}" for tunnel in (0, 1) for spoke in SPOKES}
        missing = wanted - self.lab.up_peers("R1")
        if missing:
            return [f"not UP on the hub: {', '.join(sorted(missing))}"]
        for one, other in (("R3", "192.168.0.4"), ("R4", "192.168.0.3")):
            if self.lab.peers(one).get(other, ())[1:] != ("UP", "D"):
                return [f"{one} has no direct way to {other}"]
        found: list[str] = []
        if self.encrypted:
            states = isakmp(self.lab, "R1")
            found += [f"no QM_IDLE with {spoke}" for spoke in SPOKES if "QM_IDLE" not in states.get(NBMA[spoke], set())]
        for router in PROTECTED:
            status = self.lab.status(router)
            found += [
                f"{router}: {name} is down ({state['reason']})"
                for name, state in status["interfaces"].items()
                if state["admin_up"] and not state["line_up"]
            ]
            found += [f"{router}: NHS {server['address']} is silent" for server in status["nhs"] if not server["up"]]
        return found


def _sections(lines: list[str]) -> list[str]:
    """A configuration's lines with those below each, sorted."""
    return sorted(re.split(r"\n(?! )", "\n".join(lines)))
