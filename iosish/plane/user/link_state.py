"""What an interface's device says of itself."""

from __future__ import annotations

from pathlib import Path

from iosish.desired import Link, LinkKind, LinkState
from iosish.plane.plan import Observed


def link_state(link: Link, device: str, observed: Observed, reason: str | None, *, broken: bool) -> LinkState:
    """The state of an interface with that device. `reason` is what failed, if something did; `broken`: with that it is
    not what its config says, and does not count as up."""
    there = observed.devices.get(device)
    if there is None:
        return LinkState(link.name, present=False, reason=reason or f"no device {device}")
    return LinkState(
        link.name,
        present=True,
        carrier=there.carrier and not broken,
        mtu=there.mtu,
        mac=there.mac,
        addresses=observed.addresses.get(device, ()),
        reason=reason,
        speed_kbps=_speed_kbps(device) if link.kind is LinkKind.PHYSICAL else None,
    )


def _speed_kbps(device: str) -> int | None:
    """What the device says of its speed; None where it says nothing."""
    try:
        speed = int(Path("/sys/class/net", device, "speed").read_text())
    except (OSError, ValueError):
        return None
    return speed * 1000 if speed > 0 else None
