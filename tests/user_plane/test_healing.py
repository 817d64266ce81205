"""A plane on a kernel of plain values: what fails is tried again while the rest goes on, and drift is put back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from iosish.desired import Desired, KernelRoute, Link, LinkKind
from iosish.engine import LogEvent
from iosish.forwarding.tables import Tunnel
from iosish.plane.plan import LINK_STEPS, AddGuard, Device, Observed, SetMtu, Step, plan
from iosish.plane.user import UserPlane, kernel, settings
from iosish.plane.user import plane as plane_module
from iosish.plane.user.events import Concern
from iosish.plane.user.settings import put
from tests.user_plane.paper_kernel import PaperKernel

CEILING_S = 10.0
HUB, PEER = IPv4Address("172.16.0.2"), IPv4Address("192.168.0.2")
GUARDED = IPv4Network("10.9.0.0/16")


def picture() -> Desired:
    """Something of everything; Tunnel0 is protected, Tunnel1 is not."""
    links = (
        Link("FastEthernet0/0", LinkKind.PHYSICAL, True, 1450, (IPv4Interface("172.16.0.1/30"),)),
        Link("Loopback0", LinkKind.LOOPBACK, True, None, (IPv4Interface("10.1.1.1/32"),)),
        Link("Tunnel0", LinkKind.TUNNEL, True, 1400, (IPv4Interface("192.168.0.1/24"),)),
        Link("Tunnel1", LinkKind.TUNNEL, True, 1400, (IPv4Interface("192.168.1.1/24"),)),
    )
    return Desired(
        {link.name: link for link in links},
        frozenset(
            {
                KernelRoute(IPv4Network("0.0.0.0/0"), "FastEthernet0/0", HUB),
                KernelRoute(GUARDED, "Tunnel0", PEER),
                KernelRoute(GUARDED, guard=True),
                KernelRoute(IPv4Network("10.66.0.0/16")),
            }
        ),
        {("Tunnel0", PEER): 7},
        {
            "Tunnel0": Tunnel("Tunnel0", HUB, multipoint=True, adjacencies={7: HUB}, crypto_map="head"),
            "Tunnel1": Tunnel("Tunnel1", HUB, adjacencies={1: HUB}),
        },
    )


class Faulty:
    """A `Kernel` on paper that refuses the steps that `refuses` says, and writes down those that it did."""

    def __init__(self) -> None:
        self.paper = PaperKernel(Device("Fa0-0", 2, False, False, 1500))
        self.refuses: Callable[[Step], bool] = lambda step: False
        self.does: Callable[[Step], Awaitable[None]] = lambda step: asyncio.sleep(0)
        self.did: list[Step] = []
        self.looks = 0

    @property
    def indexes(self) -> dict[str, int]:
        return {name: device.index for name, device in self.paper.devices.items()}

    async def observe(self, ours: Mapping[str, int]) -> Observed:
        self.looks += 1
        await asyncio.sleep(0)
        return self.paper.observed()

    async def apply(self, step: Step) -> None:
        await self.does(step)
        if self.refuses(step):
            raise kernel.StepError(f"no {type(step).__name__}")
        self.paper.do(step)
        self.did.append(step)

    def drop_unresolved(self, ours: frozenset[str]) -> None: ...

    def descriptor(self, device: str) -> None: ...

    def forget(self, device: str) -> None: ...


class Bench:
    """A plane whose kernel is on paper, and whose forwarder is not started."""

    def __init__(self) -> None:
        self.sink = Mock()
        self.kernel = Faulty()
        self.plane = UserPlane(self.sink, {})
        self.plane._kernel = cast("kernel.Kernel", self.kernel)
        self.plane._events = Mock(concern=Concern())
        self.plane._mss_clamp = Mock(drifted=False, apply=Mock(return_value={}))
        self.plane._settings.forward = Mock()  # type: ignore[method-assign] # the settings of this machine are none of ours

    async def reach(self, desired: Desired) -> None:
        self.plane.apply(desired)
        await asyncio.wait_for(self.plane.settled(), CEILING_S)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(CEILING_S):
            while not holds():  # noqa: ASYNC110 # it waits on a plane without events
                await asyncio.sleep(0.005)

    def rest(self) -> tuple[Step, ...]:
        plane = self.plane
        return plan(plane._desired, self.kernel.paper.observed(), plane._own.snapshot(), plane._devices)

    def said(self) -> list[LogEvent]:
        return [call.args[0] for call in self.sink.noticed.call_args_list]

    def state(self, name: str) -> Any:
        states = [call.args[0] for call in self.sink.link_changed.call_args_list]
        return next(state for state in reversed(states) if state.name == name)


def on_paper(test: Callable[[Bench], Awaitable[None]]) -> None:
    async def run() -> None:
        bench = Bench()
        worker = asyncio.create_task(bench.plane._work())
        try:
            await test(bench)
        finally:
            worker.cancel()

    asyncio.run(run())


def _all_steps() -> list[Step]:
    found: list[Step] = []

    async def reach(bench: Bench) -> None:
        await bench.reach(picture())
        found.extend(bench.kernel.did)

    on_paper(reach)
    return found


STEPS = _all_steps()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_module, "RETRY_FIRST_S", 0.02)


def test_an_apply_reaches_its_picture() -> None:
    assert len(STEPS) > 20


@pytest.mark.parametrize("place", range(len(STEPS)))
def test_a_step_that_fails_leaves_the_rest_in_place_and_heals_when_the_fault_is_gone(place: int) -> None:
    step = STEPS[place]

    async def fail(bench: Bench) -> None:
        bench.kernel.refuses = lambda other: other == step
        await bench.reach(picture())
        left = bench.rest()
        if isinstance(step, AddGuard):
            assert {other.device for other in left} <= {None, "Tunnel0"}
            assert "Tunnel0" not in bench.kernel.paper.devices  # not without its guard
        elif step.device is None:
            assert left == (step,)
        else:
            assert {other.device for other in left} == {step.device}  # all other objects are there
        names = {device: name for name, device in bench.plane._devices.items()}
        if step.device is not None:
            assert bench.state(names[step.device]).reason == f"no {type(step).__name__}"
        bench.kernel.refuses = lambda step: False
        await bench.until(lambda: bench.rest() == ())  # by itself
        states = [partial(bench.state, name) for name in picture().links]
        await bench.until(lambda: all(state().reason is None and state().carrier for state in states))
        assert [event.mnemonic for event in bench.said() if event.mnemonic == "HEALED"] == []

    on_paper(fail)


def test_what_failed_again_and_again_was_changed_by_nobody() -> None:
    async def fail(bench: Bench) -> None:
        refused: list[Step] = []

        def refuses(step: Step) -> bool:
            if isinstance(step, SetMtu):
                refused.append(step)
            return isinstance(step, SetMtu)

        bench.kernel.refuses = refuses
        await bench.reach(picture())
        count = len(refused)
        await bench.until(lambda: len(refused) >= 4 * count)
        bench.kernel.refuses = lambda step: False
        await bench.until(lambda: bench.rest() == ())
        assert "HEALED" not in [event.mnemonic for event in bench.said()]

    on_paper(fail)


@pytest.mark.parametrize("place", range(len(STEPS)))
def test_a_link_with_a_step_that_failed_is_down(place: int) -> None:
    step = STEPS[place]

    async def fail(bench: Bench) -> None:
        bench.kernel.refuses = lambda other: other == step
        await bench.reach(picture())
        if isinstance(step, LINK_STEPS):
            names = {device: name for name, device in bench.plane._devices.items()}
            assert not bench.state(names[step.device or ""]).carrier
            assert [event.mnemonic for event in bench.said()] == []  # the router says it with the state
        elif not isinstance(step, AddGuard):
            assert all(bench.state(name).carrier for name in picture().links)
            assert [(event.mnemonic, event.text) for event in bench.said()] == [
                ("APPLY", f"no {type(step).__name__}; it is tried again")
            ]

    on_paper(fail)


def test_a_fault_that_stays_is_tried_at_longer_and_longer_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_module, "RETRY_FIRST_S", 1.0)  # nobody waits for it here: longer than a machine stalls

    async def fail(bench: Bench) -> None:
        bench.kernel.refuses = lambda step: step.device == "Tunnel1"
        await bench.reach(picture())
        loop = asyncio.get_running_loop()
        waits = []
        for _ in range(4):
            waits.append(bench.plane._again_at - loop.time())
            looks, bench.plane._again_at = bench.kernel.looks, loop.time()
            bench.plane._wanted.set()
            await bench.until(lambda looks=looks: bench.kernel.looks > looks and bench.plane._again_at > loop.time())  # type: ignore[misc]
        assert waits == sorted(waits) and waits[-1] > 4 * waits[0]
        # Something of ours changed: it is tried at once.
        bench.kernel.refuses = lambda step: False
        bench.plane._look()
        await asyncio.wait_for(bench.until(lambda: bench.rest() == ()), waits[-1])

    on_paper(fail)


def test_drift_is_put_back_with_one_line_and_guards_come_first() -> None:
    async def drift(bench: Bench) -> None:
        await bench.reach(picture())
        paper = bench.kernel.paper
        paper.guards.clear()
        del paper.devices["Tunnel0"]
        paper.addresses.pop("Tunnel0")
        paper._forget("Tunnel0")
        bench.kernel.did.clear()
        bench.plane._look()
        await bench.until(lambda: len(bench.said()) > 0)
        assert bench.rest() == ()
        assert bench.kernel.did[0] == AddGuard(None, GUARDED)
        assert [event.text for event in bench.said()] == [
            "Changed from outside and put back: guard of 10.9.0.0/16, Tunnel0 (its device was gone)"
        ]
        assert {step.device for step in bench.kernel.did} == {None, "Tunnel0"}  # nothing else is touched

    on_paper(drift)


def test_a_change_of_the_configuration_is_no_drift() -> None:
    async def change(bench: Bench) -> None:
        await bench.reach(picture())
        await bench.reach(replace(picture(), routes=frozenset(), neighbours={}))
        bench.plane._look()
        await bench.reach(picture())
        assert bench.said() == []

    on_paper(change)


def test_a_device_that_comes_back_while_the_picture_changes_is_put_back_with_a_line() -> None:
    async def drift(bench: Bench) -> None:
        await bench.reach(picture())
        paper = bench.kernel.paper
        device = paper.devices.pop("Fa0-0")
        paper.addresses.pop("Fa0-0")
        bench.plane._look()
        await bench.until(lambda: not bench.state("FastEthernet0/0").present)

        async def come_back(step: Step) -> None:
            paper.devices.setdefault("Fa0-0", replace(device, up=False))

        bench.kernel.does = come_back
        await bench.reach(replace(picture(), neighbours={}, routes=frozenset({KernelRoute(GUARDED, guard=True)})))
        assert any("FastEthernet0/0 (its device was down)" in event.text for event in bench.said()), bench.said()

    on_paper(drift)


def test_a_setting_that_a_step_has_yet_to_put_was_changed_by_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "put", put)
    monkeypatch.setattr(settings, "_ROOT", str(tmp_path))
    monkeypatch.setattr(plane_module, "SETTINGS_EVERY_S", 0.001)
    setting = tmp_path / "ipv6/conf/Tunnel0/disable_ipv6"
    setting.parent.mkdir(parents=True)

    async def change_mtu(step: Step) -> None:
        """From too little for IPv6: its settings are the kernel's own then, until they are put as well."""
        if isinstance(step, SetMtu):
            setting.write_text("0")
            await asyncio.sleep(0.02)
            setting.write_text("1")

    async def drift(bench: Bench) -> None:
        bench.kernel.does = change_mtu
        await bench.reach(picture())
        tender = asyncio.create_task(bench.plane._tend())
        paper = bench.kernel.paper
        paper.devices["Tunnel0"] = replace(paper.devices["Tunnel0"], mtu=1000)
        bench.plane._look()
        await bench.until(lambda: bench.said() != [])
        assert [event.text for event in bench.said()] == ["Changed from outside and put back: MTU 1400 of Tunnel0"]
        setting.write_text("0")
        await bench.until(lambda: setting.read_text() == "1")
        assert bench.said()[-1].text == "Changed from outside and put back: setting ipv6.conf.Tunnel0.disable_ipv6"
        tender.cancel()

    on_paper(drift)


def test_a_fight_is_told_once_and_fought_with_patience() -> None:
    async def fight(bench: Bench) -> None:
        await bench.reach(picture())
        bench.kernel.did.clear()
        loop, deleted = asyncio.get_running_loop(), 0
        ends = loop.time() + 3.0
        while loop.time() < ends:
            if bench.kernel.paper.neighbours:
                bench.kernel.paper.neighbours.clear()
                deleted += 1
                bench.plane._look()
            await asyncio.sleep(0.002)
        said = [event.mnemonic for event in bench.said()]
        assert said == ["HEALED"] * 7 + ["CONTESTED"]
        assert deleted < 15
        assert bench.kernel.looks < 60
        assert bench.state("Tunnel0").carrier  # only the neighbour is fought over

    on_paper(fight)
