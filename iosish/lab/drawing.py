"""A lab in text: boxes for routers, lines for cables, and a table of interfaces.

The picture is made of stars: the router (or LAN) with the most cables stands on the right, those at the other ends on
the left, one row a cable; then the next, until all cables are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from iosish.config.interface_name import order, short

End = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """A cable between two things: `left` and `right` are routers, or a LAN's name with an empty interface."""

    left: End
    right: End
    name: str
    cut: bool


def picture(routers: dict[str, dict[str, Any]], cables: Iterable[dict[str, Any]], pulled: Iterable[Any]) -> list[str]:
    """The lines of the drawing; `routers` and `cables` are those of the parent's status."""
    out = {(router, interface) for router, interface in pulled}
    cables = list(cables)
    lines = _lines([cable for cable in cables if len(cable["ends"]) > 1], out)
    drawn: list[str] = []
    alone = [name for name in routers if not any(name in (line.left[0], line.right[0]) for line in lines)]
    while lines:
        centre = max(_things(lines), key=lambda thing: sum(thing in (line.left[0], line.right[0]) for line in lines))
        star = [line for line in lines if centre in (line.left[0], line.right[0])]
        lines = [line for line in lines if line not in star]
        turned = [
            line if line.right[0] == centre else Line(line.right, line.left, line.name, line.cut) for line in star
        ]
        turned.sort(key=lambda line: list(routers).index(line.left[0]) if line.left[0] in routers else len(routers))
        drawn += _star(centre, turned, routers)
    for name in alone:
        drawn += _box([name], len(name))
    for line in _lines([cable for cable in cables if len(cable["ends"]) == 1], out):
        drawn.append(f"  {line.left[0]} {_label(line.left, routers)} ─── {line.name}")
    return drawn


def _lines(cables: Iterable[dict[str, Any]], out: set[End]) -> list[Line]:
    lines = []
    for cable in cables:
        ends: list[End] = [(router, interface) for router, interface in cable["ends"]]
        if len(ends) == 2:
            lines.append(Line(ends[0], ends[1], cable["name"], bool(out & set(ends))))
        else:
            lines += [Line(end, (cable["name"], ""), cable["name"], end in out) for end in ends]
    return lines


def _things(lines: Sequence[Line]) -> list[str]:
    """Candidates for the centre: right ends first, so that of two equals a LAN, or the transit router, is taken."""
    return list(dict.fromkeys([line.right[0] for line in lines] + [line.left[0] for line in lines]))


def _label(end: End, routers: dict[str, dict[str, Any]]) -> str:
    router, interface = end
    state = routers.get(router, {}).get("interfaces", {}).get(interface, {})
    address = str(state.get("address") or "").partition("/")[0]
    return f"{short(interface)} {address}".strip() if interface else ""


def _box(texts: Sequence[str], width: int) -> list[str]:
    return [f"┌─{'─' * width}─┐", *(f"│ {text:<{width}} │" for text in texts), f"└─{'─' * width}─┘"]


def _star(centre: str, lines: list[Line], routers: dict[str, dict[str, Any]]) -> list[str]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.left[0], []).append(line)
    width = max(map(len, groups))
    left_labels = {line: _label(line.left, routers) for line in lines}
    right_labels = {line: _label(line.right, routers) for line in lines}
    left_width, right_width = max(map(len, left_labels.values())), max(map(len, right_labels.values()))
    name_width = max(len(line.name) for line in lines)
    rows: list[tuple[str, str]] = []
    for name, group in groups.items():
        box = _box([name] + [""] * (len(group) - 1), width)
        rows.append((box[0], ""))
        for line, side in zip(group, box[1:-1], strict=True):
            wire = "─x " if line.cut else "───"
            middle = line.name.center(name_width) if line.left[1] and line.right[1] else "─" * name_width
            text = (
                f" {left_labels[line]:<{left_width}} {wire} {middle} {wire[::-1]} {right_labels[line]:>{right_width}} "
            )
            rows.append((side, text))
        rows.append((box[-1], ""))
    gap = max(len(text) for _, text in rows)
    tall = _box([""] * (len(rows) - 2), len(centre))
    middle_row = (len(rows) - 1) // 2
    tall[middle_row] = f"│ {centre} │"
    return [f"{side}{text:<{gap}}{right}".rstrip() for (side, text), right in zip(rows, tall, strict=True)]


def table(routers: dict[str, dict[str, Any]]) -> list[str]:
    """Router, process, interface, address, state: a row for each interface."""
    rows = [("Router", "Process", "Interface", "Address", "State")]
    for name, router in routers.items():
        first = [name, str(router.get("pid") or "none")]
        interfaces = router.get("interfaces", {})
        for interface in sorted(interfaces, key=order):
            state = interfaces[interface]
            rows.append((first[0], first[1], interface, state.get("address") or "unassigned", _state(state)))
            first = ["", ""]
        if not interfaces:
            rows.append((first[0], first[1], "", "", "not running" if not router.get("pid") else "starting"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _state(state: dict[str, Any]) -> str:
    if state.get("line_up"):
        return "up"
    if not state.get("admin_up"):
        return "administratively down"
    reason = state.get("reason")
    return f"down ({reason})" if reason else "down"
