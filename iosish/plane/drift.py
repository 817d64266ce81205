"""Drift: what somebody changed behind the router's back, and the plane puts back. How often, in which words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping

from iosish.engine import LogEvent
from iosish.plane import plan
from iosish.plane.patience import Patience
from iosish.plane.plan import Step

#: Things that one log line names.
NAMED_MAX = 4
#: A thing that somebody undoes again and again is put back at once so often, then less and less often.
AT_ONCE, FIRST_S, MOST_S, CALM_S = 8, 0.5, 30.0, 5.0


class Healing:
    """Puts back with patience: it would be a fight with another program otherwise. `notice` takes log lines."""

    def __init__(self, notice: Callable[[LogEvent], None]) -> None:
        self._notice = notice
        self._patience = Patience(AT_ONCE, FIRST_S, MOST_S, CALM_S)

    def ready_at(self, step: Step) -> float:
        """From when on a step may put its thing back. A guard does not wait."""
        return 0.0 if isinstance(step, plan.AddGuard) else self._patience.ready_at(thing(step))

    def setting_ready_at(self, path: str) -> float:
        return self._patience.ready_at(("setting", path))

    def done(self, steps: Iterable[Step], names: Mapping[str, str], now: float) -> None:
        """Steps put things back; `names` are the interfaces of devices."""
        self._tell({thing(step): _phrase(step, names) for step in _parts(steps)}, now)

    def done_settings(self, paths: Iterable[str], now: float) -> None:
        self._tell({("setting", path): f"setting {path.replace('/', '.')}" for path in paths}, now)

    def done_clamps(self, interfaces: Collection[str], now: float) -> None:
        self._tell({("clamp", name): f"TCP MSS adjustment of {name}" for name in interfaces}, now)

    def _tell(self, things: Mapping[Hashable, str], now: float) -> None:
        healed: list[str] = []
        fought: list[str] = []
        for which, phrase in things.items():
            times = self._patience.tried(which, now)
            if times < AT_ONCE:
                healed.append(phrase)
            elif times == AT_ONCE:
                fought.append(phrase)
        if healed:
            self._notice(LogEvent("IOSISH", 4, "HEALED", f"Changed from outside and put back: {_some(healed)}"))
        if fought:
            text = f"Changed from outside again and again: {_some(fought)}; put back less often, and without a line"
            self._notice(LogEvent("IOSISH", 4, "CONTESTED", text))


def thing(step: Step) -> Hashable:
    """What a step is about: the same for all steps that put the same thing back."""
    what = getattr(step, "network", None) or getattr(step, "address", None)
    return type(step).__name__, None if isinstance(step, plan.SetRoute) else step.device, what


def _parts(steps: Iterable[Step]) -> list[Step]:
    """The steps, without those of which nobody needs to hear: all else that comes with a device."""
    steps = tuple(steps)
    made = {step.device for step in steps if isinstance(step, plan.CreateDevice)}
    risen = {step.device for step in steps if isinstance(step, plan.SetUp)} - made
    return [
        step
        for step in steps
        if step.device not in made | risen
        or isinstance(step, plan.CreateDevice)
        or (isinstance(step, plan.SetUp) and step.device in risen)
    ]


def _some(phrases: Collection[str]) -> str:
    named = list(phrases)[:NAMED_MAX]
    more = f" and {len(phrases) - len(named)} more" if len(phrases) > len(named) else ""
    return ", ".join(named) + more


def _phrase(step: Step, names: Mapping[str, str]) -> str:
    on = names.get(step.device or "", step.device or "")
    match step:
        case plan.CreateDevice():
            return f"{on} (its device was gone)"
        case plan.RenameDevice(found=found):
            return f"{on} (its device was called {found})"
        case plan.SetUp(up=up):
            return f"{on} (its device was {'down' if up else 'up'})"
        case plan.SetMtu(mtu=mtu):
            return f"MTU {mtu} of {on}"
        case plan.SetMac():
            return f"MAC address of {on}"
        case plan.SetResolves():
            return f"ARP flag of {on}"
        case plan.AddAddress(address=address):
            return f"address {address} of {on}"
        case plan.RemoveAddress(address=address):
            return f"{on} without address {address}"
        case plan.AddImplied(address=address, kind=plan.ImpliedKind.HOST):
            return f"local route to {address.ip} of {on}"
        case plan.AddImplied(address=address):
            return f"connected route to {address.network} of {on}"
        case plan.SetRoute(network=network):
            return f"route to {network}"
        case plan.RemoveRoute(network=network):
            return f"no route to {network}"
        case plan.AddGuard(network=network):
            return f"guard of {network}"
        case plan.RemoveGuard(network=network):
            return f"no guard of {network}"
        case plan.SetNeighbour(address=address):
            return f"neighbor {address} of {on}"
        case plan.RemoveNeighbour(address=address):
            return f"{on} without neighbor {address}"
        case _:
            return on
