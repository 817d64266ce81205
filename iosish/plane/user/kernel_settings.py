"""Looks after the kernel's settings for a router: puts them, puts them back when they were changed, gives them up."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from iosish.desired import LinkKind
from iosish.plane.drift import Healing
from iosish.plane.user import settings

#: The settings of so many devices are looked at in one go.
DEVICES_AT_ONCE = 64


class KernelSettings:
    """What of them is put back, and how often, `healing` says, which also tells of it."""

    def __init__(self, healing: Healing) -> None:
        self._healing = healing
        self._before: dict[str, int] = {}
        self._forwarding = False
        self._waiting: deque[str] = deque()

    def begin(self) -> None:
        """Put those of the namespace."""
        self._before = settings.put(settings.NAMESPACE)

    def forward(self) -> None:
        """From here on the kernel forwards: not before guards are in place, else what belongs into a protected tunnel
        would follow the default route until then."""
        if not self._forwarding:
            self._forwarding = True
            self._before.update(settings.put(settings.FORWARDING))

    def look(self, devices: Mapping[str, LinkKind], now: float) -> None:
        """Put back what is otherwise: of the namespace, and of those of our `devices` whose turn it is."""
        if not self._waiting:
            self._waiting.extend(devices)
        wanted = dict(settings.NAMESPACE)
        if self._forwarding:
            wanted.update(settings.FORWARDING)
        for _ in range(min(len(self._waiting), DEVICES_AT_ONCE)):
            device = self._waiting.popleft()
            if device in devices:
                wanted.update(settings.of_device(device, devices[device]))
        wanted = {path: value for path, value in wanted.items() if self._healing.setting_ready_at(path) <= now}
        self._healing.done_settings(settings.put(wanted), now)

    def end(self) -> None:
        """Put those of the namespace as they were found."""
        settings.put(self._before)
