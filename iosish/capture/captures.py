"""The capture points of a router: what they are told, what they keep. No I/O; time comes with the packets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from iosish.capture.buffer import Buffer, Captured
from iosish.capture.state import CaptureState, Direction, Settings
from iosish.config.interface_name import kind
from iosish.desired import SeenPacket
from iosish.engine import LogEvent

CAPTURES_MAX = 8
_MEGABYTE = 1 << 20


class CaptureError(Exception):
    """A command that cannot be done; its text is for whoever typed it."""


class Surroundings(Protocol):
    """What captures need of their router."""

    def watch(self, interfaces: frozenset[str]) -> None: ...

    def caught_up(self, then: Callable[[], None]) -> None:
        """Call `then` when all that has passed so far is told, as seen or as missed."""

    def log(self, event: LogEvent) -> None: ...

    def later(self, delay_s: float, do: Callable[[], None]) -> Callable[[], object]:
        """Gives the function that calls it off."""


class _Point:
    def __init__(self, name: str) -> None:
        self.name = name
        self.settings = Settings()
        self.buffer = Buffer(self.settings.size_mb * _MEGABYTE, circular=False)
        self.active = False
        self.ending = False
        self.seen = 0
        self.kept = 0
        self.dropped = 0
        self.call_off: Callable[[], object] | None = None
        self._second = 0
        self._in_second = 0

    def take(self, packet: SeenPacket) -> str | None:
        """Keep a packet, if it is wanted. Gives the reason when this is the end of the capture."""
        settings = self.settings
        direction = settings.interfaces.get(packet.interface)
        if direction is None or direction is (Direction.OUT if packet.inbound else Direction.IN):
            return None
        limits, match = settings.limits, settings.match
        if match is not None and not match.matches(packet.data, kind(packet.interface) == "Tunnel"):
            return None
        self.seen += 1
        if limits.every and (self.seen - 1) % limits.every:
            return None
        if limits.packets_per_s:
            second = int(packet.at)
            if second != self._second:
                self._second, self._in_second = second, 0
            self._in_second += 1
            if self._in_second > limits.packets_per_s:
                self.dropped += 1
                return None
        data = packet.data[: limits.packet_length] if limits.packet_length else packet.data
        if not self.buffer.add(Captured(packet.interface, packet.inbound, packet.at, data, packet.length)):
            self.dropped += 1
            return "buffer full"
        self.kept += 1
        return "packet limit reached" if limits.packets and self.kept >= limits.packets else None

    def reset(self) -> None:
        self.buffer = Buffer(self.settings.size_mb * _MEGABYTE, self.settings.circular)
        self.seen = self.kept = self.dropped = 0


class Captures:
    """The `Watcher` of all capture points. Names are as typed."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._points: dict[str, _Point] = {}

    # Commands

    def change(self, name: str, change: Callable[[Settings], Settings]) -> None:
        """Tell a capture something new; the first thing makes it. Raises CaptureError while it is active."""
        point = self._points.get(name)
        if point is None:
            if len(self._points) >= CAPTURES_MAX:
                raise CaptureError(f"No more than {CAPTURES_MAX} captures can be configured")
            point = _Point(name)
        if point.active:
            raise CaptureError(f"Capture {name} is active. Stop it before you change it")
        settings = change(point.settings)
        resized = (settings.size_mb, settings.circular) != (point.settings.size_mb, point.settings.circular)
        point.settings = settings
        if resized:
            point.reset()
        self._points[name] = point

    def attach(self, name: str, interface: str, direction: Direction) -> None:
        self.change(name, lambda old: replace(old, interfaces={**old.interfaces, interface: direction}))

    def detach(self, name: str, interface: str) -> None:
        self._point(name)
        self.change(name, lambda old: replace(old, interfaces=_without(old.interfaces, interface)))

    def start(self, name: str) -> None:
        """Start with an empty buffer. Raises CaptureError."""
        point = self._point(name)
        if point.active:
            raise CaptureError(f"Capture {name} is already active")
        if not point.settings.interfaces:
            raise CaptureError(f"Unable to activate capture {name}: no interface is attached to it")
        point.reset()
        point.active = True
        duration_s = point.settings.limits.duration_s
        if duration_s:
            point.call_off = self._around.later(
                duration_s, lambda: self._drain(point, lambda: self._end(point, "duration limit reached"))
            )
        self._watch()
        self._log(6, "ENABLE", f"Capture Point {name} enabled.")

    def stop(self, name: str, then: Callable[[], None] = lambda: None) -> None:
        """Stop when all that has passed so far is kept or counted, and say so by `then`.

        Raises CaptureError when it does not run.
        """
        point = self._point(name)
        if not point.active or point.ending:
            raise CaptureError(f"Capture {name} is not active")

        def over() -> None:
            if point.active:
                self._halt(point)
                self._log(6, "DISABLE", f"Capture Point {name} disabled.")
            then()

        self._drain(point, over)

    def clear(self, name: str) -> None:
        """Empty the buffer; the capture goes on."""
        self._point(name).reset()

    def remove(self, name: str) -> None:
        point = self._point(name)
        self._halt(point)
        del self._points[name]

    # What is seen of it

    def state(self) -> tuple[CaptureState, ...]:
        return tuple(
            CaptureState(
                point.name,
                point.settings,
                point.active,
                point.buffer.used,
                len(point.buffer.packets),
                point.dropped,
                point.buffer.packets[-1].at - point.buffer.packets[0].at if point.buffer.packets else 0.0,
            )
            for point in self._points.values()
        )

    def packets(self, name: str) -> list[Captured]:
        """What a capture holds, in the order of time. Raises CaptureError."""
        return sorted(self._point(name).buffer.packets, key=lambda packet: packet.at)

    # What the plane tells

    def packets_seen(self, packets: Sequence[SeenPacket]) -> None:
        for point in tuple(self._points.values()):
            for packet in packets:
                if not point.active:
                    break
                reason = point.take(packet)
                if reason is not None:
                    self._end(point, reason)

    def packets_missed(self, interface: str, count: int) -> None:
        for point in self._points.values():
            if point.active and interface in point.settings.interfaces:
                point.dropped += count

    # Within

    def _point(self, name: str) -> _Point:
        point = self._points.get(name)
        if point is None:
            raise CaptureError(f"Capture {name} has not been configured")
        return point

    def _drain(self, point: _Point, then: Callable[[], None]) -> None:
        point.ending = True
        self._around.caught_up(then)

    def _halt(self, point: _Point) -> None:
        point.active = point.ending = False
        if point.call_off is not None:
            point.call_off()
            point.call_off = None
        self._watch()

    def _end(self, point: _Point, reason: str) -> None:
        """A capture ends by itself."""
        if not point.active:
            return
        self._halt(point)
        if reason == "buffer full":
            self._log(5, "BUFFER_FULL", f"Linear Buffer associated with capture point {point.name} is full.")
        self._log(6, "DISABLE_ASYNC", f"Capture Point {point.name} disabled. Reason : {reason}")

    def _watch(self) -> None:
        active = [point.settings.interfaces for point in self._points.values() if point.active]
        self._around.watch(frozenset().union(*active))

    def _log(self, severity: int, mnemonic: str, text: str) -> None:
        self._around.log(LogEvent("BUFCAP", severity, mnemonic, text))


def _without(interfaces: Mapping[str, Direction], gone: str) -> dict[str, Direction]:
    return {name: direction for name, direction in interfaces.items() if name != gone}
