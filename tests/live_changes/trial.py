"""One line changed and changed back, and all that has to hold meanwhile and afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.live_changes.cloud import BESIDE, DIRECT, SAME, Cloud
from tests.simulation.live_lines import Change, cases, texts

#: What these lines let out in the clear while they are there is what they say.
_OPEN = ("shutdown", "no tunnel protection ipsec profile MyProfile")


@dataclass(frozen=True, slots=True)
class Trial:
    router: str
    change: Change
    encrypted: bool

    def __str__(self) -> str:
        lab = "encrypted" if self.encrypted else "clear"
        return f"{lab} {self.router} {self.change.field}: {self.last_line}"

    @property
    def last_line(self) -> str:
        return texts(self.change, self.router)[0].split("\n")[-1].strip()

    def spared(self) -> set[str]:
        """The names of the flows that may lose nothing."""
        spared = {DIRECT.name, BESIDE.name}
        if self.change.whole:
            spared.discard(BESIDE.name)
        if self.change.free:
            spared.add(SAME.name)
        return spared


@dataclass(frozen=True, slots=True)
class Outcome:
    """`healed_s` is how long after the line was changed back all was as before."""

    sent: int
    lost: int
    healed_s: float

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.lost} lost, as before after {self.healed_s:.2f} s"


def trials(*, encrypted: bool) -> Iterator[Trial]:
    """In the clear, without the lines that are about crypto."""
    for router, change in cases():
        if encrypted or not change.crypto:
            yield Trial(router, change, encrypted)


def perform(cloud: Cloud, trial: Trial, hold_s: float) -> Outcome:
    """Change, leave it for `hold_s` seconds, change back. Raises AssertionError in words for what is not right."""
    router = trial.router
    line, back = texts(trial.change, router)
    lets_out = trial.last_line in _OPEN
    cloud.leaks()
    marked = cloud.flows.mark()
    cloud.type(router, line)
    cloud.expect_agreement(router)
    time.sleep(max(0.0, marked + hold_s - time.monotonic()))
    cloud.expect_agreement(router)
    cloud.type(router, back)
    back_at = time.monotonic()
    cloud.expect_as_configured(router)
    cloud.expect_whole(back_at)
    healed_s = time.monotonic() - back_at
    leaks = cloud.leaks()
    if lets_out:
        leaks.clear()
    cloud.expect_agreement("R1", "R2", "R3", "R4")
    cloud.expect_protected()
    losses = cloud.flows.losses(marked)
    leaks += cloud.leaks()
    assert not leaks, "readable on the wires: " + "; ".join(leaks[:5])
    spared = {direction: loss for direction, loss in losses.items() if direction.flow in trial.spared()}
    lost = [
        f"{direction} lost {len(loss.lost_at)} of {loss.sent}, which left after {loss.lost_at[:5]} s"
        for direction, loss in spared.items()
        if loss.lost_at
    ]
    assert not lost, f"{'; '.join(lost)} (changed back after {back_at - marked:.3f} s)"
    sent = sum(loss.sent for loss in spared.values())
    assert sent > 0, "nothing was sent"
    if trial.last_line == "shutdown":
        same = [loss for direction, loss in losses.items() if direction.flow == SAME.name]
        assert any(loss.lost_at for loss in same), "what is lost is not counted"
    return Outcome(sent, sum(len(loss.lost_at) for loss in spared.values()), healed_s)
