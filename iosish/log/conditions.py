"""Which lines of `debug` are to be shown: of the topics that are on, those that meet a condition."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from iosish.engine import DebugEvent
from iosish.snapshot import DebugCondition, Debugging

#: Tunnels, each with the addresses inside that are known to be there.
Tunnels = Mapping[str, frozenset[IPv4Address]]


def conditions_for(debugging: Debugging, topic: str) -> tuple[DebugCondition, ...]:
    """The conditions that lines of a topic are under."""
    subject = topic.partition(" ")[0]
    commands = {subject, "dmvpn"} if subject != "ip" else set()
    return tuple(condition for condition in debugging.conditions if condition.given_to in commands)


def wants(debugging: Debugging, line: DebugEvent, tunnels: Tunnels) -> bool:
    """Whether a line is to be shown. `tunnels` lead to the peer that it is about."""
    if line.topic not in debugging.topics:
        return False
    conditions = conditions_for(debugging, line.topic)
    if not conditions:
        return True
    if line.peer is None and all(condition.given_to == "crypto" for condition in conditions):
        return True  # to `debug crypto condition`, what is about nobody is about everybody
    return any(_met(condition, line, tunnels) for condition in conditions)


def _met(condition: DebugCondition, line: DebugEvent, tunnels: Tunnels) -> bool:
    match condition.kind:
        case "peer nbma":
            return line.peer == condition.value
        case "peer tunnel":
            return line.inside == condition.value or any(condition.value in known for known in tunnels.values())
        case "interface":
            return condition.value == line.interface if line.interface is not None else condition.value in tunnels
        case "unmatched":
            return line.peer is None and line.inside is None and line.interface is None
    return False  # no tunnel that works is in a VRF
