"""The rooms of the house (iosish/README.md) and what each may know: read from the imports, without running any."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "iosish"

#: Each room, and what of ours its modules import beside their own room. A longer name is a room of its own.
ROOMS: dict[str, set[str]] = {
    "iosish": set(),
    # values and rules, without I/O
    "iosish.resources": set(),
    "iosish.scapy_nhrp": set(),  # for others, on its own: nothing of ours imports it
    "iosish.atomic": set(),
    "iosish.engine": set(),
    "iosish.deadlines": set(),
    "iosish.rate_limit": set(),
    "iosish.ipsec": set(),
    "iosish.forwarding": {"iosish.ipsec"},
    "iosish.config": {"iosish.atomic"},
    "iosish.files": {"iosish.atomic"},
    "iosish.desired": {"iosish.engine", "iosish.forwarding.tables", "iosish.ipsec.sa"},
    "iosish.cli": {"iosish.config", "iosish.resources"},
    # packets that pass: kept, matched, read, written
    "iosish.capture": {
        "iosish.config.interface_name",
        "iosish.desired",
        "iosish.engine",
        "iosish.forwarding",
        "iosish.ike.errors",
        "iosish.ike.packet",
        "iosish.nhrp.cie",
        "iosish.nhrp.debug",
        "iosish.nhrp.extensions",
        "iosish.nhrp.packet",
        "iosish.nhrp.wire",
    },
    # engines: their own package and the surface of all engines, never each other
    "iosish.nhrp": {"iosish.engine", "iosish.deadlines", "iosish.rate_limit", "iosish.config.model"},
    "iosish.icmp": {"iosish.engine", "iosish.config.model"},
    "iosish.ike": {
        "iosish.engine",
        "iosish.deadlines",
        "iosish.rate_limit",
        "iosish.ipsec.sa",
        "iosish.ipsec.transforms",
    },
    # what is shown: values only
    "iosish.snapshot": {
        "iosish.capture.state",
        "iosish.config.model",
        "iosish.desired",
        "iosish.forwarding.tables",
        "iosish.ike.state",
        "iosish.ipsec.sa",
        "iosish.nhrp.state",
    },
    "iosish.show": {
        "iosish.snapshot",
        "iosish.capture",
        "iosish.config.crypto",
        "iosish.config.model",
        "iosish.config.interface_name",
        "iosish.desired",
        "iosish.forwarding.tables",
        "iosish.ike.config",
        "iosish.ike.state",
        "iosish.ipsec.sa",
        "iosish.ipsec.transforms",
        "iosish.log",
        "iosish.nhrp.state",
    },
    "iosish.log": {
        "iosish.config.model",
        "iosish.config.severity",
        "iosish.engine",
        "iosish.rate_limit",
        "iosish.show.text",
        "iosish.show.times",
        "iosish.snapshot",
    },
    # one router, without I/O
    "iosish.access_list": {"iosish.config.model"},
    "iosish.rib": {"iosish.config", "iosish.desired"},
    "iosish.protection": {"iosish.config", "iosish.ike.config", "iosish.ipsec.transforms"},
    "iosish.recursive_routes": {"iosish.config", "iosish.rib"},
    "iosish.interfaces": {
        "iosish.config",
        "iosish.desired",
        "iosish.protection",
        "iosish.recursive_routes",
        "iosish.rib",
    },
    "iosish.router": {
        "iosish.config",
        "iosish.crypto_sockets",
        "iosish.desired",
        "iosish.engine",
        "iosish.forwarding",
        "iosish.icmp",
        "iosish.ike",
        "iosish.interfaces",
        "iosish.ipsec",
        "iosish.nhrp",
        "iosish.protection",
        "iosish.recursive_routes",
        "iosish.rib",
    },
    "iosish.crypto_sockets": {
        "iosish.config.interface_name",
        "iosish.engine",
        "iosish.ike.config",
        "iosish.ike.events",
    },
    "iosish.driving": {
        "iosish.config.model",
        "iosish.desired",
        "iosish.engine",
        "iosish.ipsec.sa",
        "iosish.nhrp.config",
        "iosish.router",
    },
    "iosish.sim": {
        "iosish.cli",
        "iosish.config",
        "iosish.desired",
        "iosish.driving",
        "iosish.engine",
        "iosish.forwarding",
        "iosish.icmp",
        "iosish.ike",
        "iosish.interfaces",
        "iosish.ipsec",
        "iosish.lab.topology",
        "iosish.nhrp.state",
        "iosish.plane.memory",
        "iosish.router",
        "iosish.show",
        "iosish.snapshot",
    },
    # where packets, terminals and clocks are
    "iosish.plane": {
        "iosish.config",
        "iosish.desired",
        "iosish.engine",
        "iosish.forwarding",
        "iosish.ipsec",
        "iosish.rate_limit",
    },
    "iosish.terminal": {
        "iosish.capture",
        "iosish.cli",
        "iosish.config",
        "iosish.files",
        "iosish.icmp",
        "iosish.log",
        "iosish.show",
        "iosish.snapshot",
    },
    "iosish.runtime": {
        "iosish.capture",
        "iosish.access_list",
        "iosish.cli",
        "iosish.config",
        "iosish.desired",
        "iosish.driving",
        "iosish.engine",
        "iosish.files",
        "iosish.forwarding",
        "iosish.icmp",
        "iosish.ike",
        "iosish.interfaces",
        "iosish.ipsec",
        "iosish.log",
        "iosish.nhrp.config",
        "iosish.nhrp.state",
        "iosish.plane",
        "iosish.resources",
        "iosish.recursive_routes",
        "iosish.rib",
        "iosish.router",
        "iosish.show",
        "iosish.snapshot",
        "iosish.terminal",
    },
    "iosish.lab": {
        "iosish.capture.pcapng",
        "iosish.atomic",
        "iosish.cli",
        "iosish.config",
        "iosish.interfaces",
        "iosish.plane",
        "iosish.resources",
        "iosish.router",
        "iosish.runtime",
        "iosish.terminal",
    },
    "iosish.command": {
        "iosish.cli",
        "iosish.config",
        "iosish.lab",
        "iosish.resources",
        "iosish.runtime",
        "iosish.terminal",
    },
    "iosish.__main__": {"iosish.command"},
}

WITH_IO = {"iosish.command", "iosish.lab", "iosish.plane.user", "iosish.runtime", "iosish.terminal"}

#: Modules of others that are at home in a few places only; () is nowhere.
AT_HOME: dict[str, set[str]] = {
    **dict.fromkeys(
        ("asyncio", "concurrent", "select", "selectors", "socket", "ssl", "subprocess", "threading", "time"), WITH_IO
    ),
    "prompt_toolkit": {"iosish.terminal"},
    "pyparsing": {"iosish.cli.notation"},
    "pyroute2": {"iosish.lab", "iosish.plane"},
    "scapy": {"iosish.scapy_nhrp"},
    "asyncssh": {"iosish.terminal"},
    "cryptography": {"iosish.ike", "iosish.ipsec"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def within(name: str, rooms: set[str]) -> bool:
    """Whether `name` is one of `rooms`, or inside one."""
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def room_of(module: str) -> str | None:
    found = [room for room in ROOMS if room != "iosish" and within(module, {room})]
    return max(found, key=len) if found else "iosish" if module == "iosish" else None


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield node.lineno, full if full in MODULES else str(node.module)


@pytest.mark.parametrize("module", MODULES)
def test_imports_of(module: str) -> None:
    room = room_of(module)
    assert room, f"{module} stands in no room: give it one in ROOMS and in iosish/README.md"
    wrong = []
    for line, name in imports(ast.parse(MODULES[module].read_bytes())):
        if within(name, {"iosish"}):
            allowed = name == "iosish" or within(name, ROOMS[room] | ({room} - {"iosish"}))  # "iosish": the version
        else:
            homes = AT_HOME.get(name.partition(".")[0])
            allowed = homes is None or within(module, homes)
        if not allowed:
            wrong.append(f"line {line}: {name}")
    assert not wrong, f"{module} must not import {', '.join(wrong)}"


@pytest.mark.parametrize("module", [name for name in MODULES if not within(name, WITH_IO)])
def test_no_clock_and_no_chance_but_by_argument(module: str) -> None:
    """Without I/O nothing asks a clock or the random module; a `random.Random` comes by argument."""
    wrong = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(MODULES[module].read_bytes()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) not in {("random", "Random")}
        and (
            node.value.id in {"random", "secrets"}
            or (node.value.id == "datetime" and node.attr in {"now", "utcnow", "today"})
        )
    ]
    assert not wrong, f"{module}: {', '.join(wrong)}"


def test_every_room_is_inhabited() -> None:
    """A room that is gone goes from the table too."""
    assert {room_of(module) for module in MODULES} >= set(ROOMS) - {"iosish.command", "iosish.__main__"}
