"""One router of a lab, as the lab's parent knows it: its file, its namespace, its process, what it last reported."""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

from iosish.cli.grammar import Grammar
from iosish.cli.load import decode, load
from iosish.config import interface_name
from iosish.config.model import Config
from iosish.config.store import Store
from iosish.lab import namespaces
from iosish.lab.child import Child
from iosish.lab.places import Trouble, check_name
from iosish.lab.state import read_startup
from iosish.lab.topology import Port, has_nhs, is_pluggable, link_of, ports_of

#: Deaths a minute after which a router is not restarted at once.
DEATHS_AT_ONCE = 5
DEATHS_WINDOW_S = 60.0
LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class Member:
    """`ports` follow the startup-config, then what the router reports. `opened`: its sockets are, or it died."""

    name: str
    file: Path
    spoke: bool
    ports: tuple[Port, ...]
    complaints: tuple[str, ...] = ()
    namespace: str = ""
    descriptor: int = -1
    inode: int = 0
    child: Child | None = None
    status: dict[str, Any] | None = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    restarts: int = 0
    deaths: deque[float] = field(default_factory=deque)

    def make_namespace(self) -> None:
        """Raises Trouble when the name is taken, OSError otherwise."""
        try:
            self.descriptor, self.inode = namespaces.create(self.namespace)
        except FileExistsError:
            raise Trouble(
                f"there is a namespace {self.namespace} already, and it is not this lab's: "
                f"`ip netns delete {self.namespace}`, or another --name"
            ) from None

    def drop_namespace(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
            if namespaces.inode(self.namespace) == self.inode:
                namespaces.remove(self.namespace)

    def pause_s(self, now: float) -> float:
        """How long to wait before the next restart, after a death at `now`."""
        self.deaths.append(now)
        while self.deaths[0] < now - DEATHS_WINDOW_S:
            self.deaths.popleft()
        beyond = len(self.deaths) - DEATHS_AT_ONCE
        return min(2.0**beyond, LONGEST_PAUSE_S) if beyond > 0 else 0.0

    def report(self, line: bytes) -> None:
        """Take a line of the router's own report. One that makes no sense is passed over."""
        try:
            status = json.loads(line)
        except ValueError:
            return
        if isinstance(status, dict) and isinstance(status.get("interfaces"), dict):
            self.status = status
            self.ports = _reported_ports(self.name, status["interfaces"])

    def interfaces(self) -> dict[str, dict[str, Any]]:
        """What the router reported of each interface."""
        found = self.status["interfaces"] if self.status else {}
        return {name: state for name, state in found.items() if isinstance(state, dict)}

    def waits_for(self) -> list[str]:
        """What is not up yet of what the configuration wants up; empty when all is well."""
        if self.status is None:
            return [f"{self.name} has not started"]
        waits = []
        for name, state in self._down().items():
            waits.append(f"{self.name}: {name} is down ({state.get('reason') or 'no reason given'})")
        for nhs in self._silent():
            waits.append(f"{self.name}: no answer from NHS {nhs.get('address')} on {nhs.get('interface')}")
        return waits

    def may_come_up(self) -> bool:
        """Whether waiting can help: something is not up that asks for nothing which is not built yet."""
        if self.status is None:
            return True
        held = {name for name, state in self.interfaces().items() if state.get("held")}
        return bool(self._down().keys() - held) or any(nhs.get("interface") not in held for nhs in self._silent())

    def _down(self) -> dict[str, dict[str, Any]]:
        return {
            name: state
            for name, state in self.interfaces().items()
            if state.get("admin_up")
            and (state.get("address") or link_of(state.get("description")))
            and not state.get("line_up")
            and not interface_name.is_subinterface(name)
        }

    def _silent(self) -> list[dict[str, Any]]:
        servers = self.status.get("nhs", []) if self.status else []
        return [nhs for nhs in servers if isinstance(nhs, dict) and not nhs.get("up")]


def _reported_ports(router: str, interfaces: dict[str, Any]) -> tuple[Port, ...]:
    ports = []
    for name, state in interfaces.items():
        if isinstance(state, dict) and is_pluggable(name):
            texts = state.get("addresses") or [state.get("address")]
            link = state.get("description")
            addresses = tuple(address for text in texts if (address := _address(text)))
            ports.append(Port(router, name, addresses, link_of(link) if isinstance(link, str) else None))
    return tuple(ports)


def _address(text: Any) -> IPv4Interface | None:
    try:
        return IPv4Interface(text) if isinstance(text, str) else None
    except ValueError:
        return None


def from_file(grammar: Grammar, startup: Store, shown_as: Path) -> Member:
    """A router from its startup-config; `shown_as` is the file the user knows. Raises Trouble."""
    file = startup.file
    loaded = load(grammar, decode(read_startup(startup)))
    named = loaded.config.hostname
    name = check_name(file.stem if named == Config().hostname else named, "router")
    complaints = [
        f"{shown_as}:{line.number}: refused: {line.told} ({line.unquoted.lstrip('% ')})" for line in loaded.refused()
    ]
    complaints += [f"{shown_as}:{line.number}: kept: {line.warning}" for line in loaded.lines if line.warning]
    return Member(name, file, has_nhs(loaded.config), ports_of(name, loaded.config), tuple(complaints))
