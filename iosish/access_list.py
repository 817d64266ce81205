"""What an access list says of a packet. Lists filter no traffic here: they choose what `debug ip packet` shows.

Read from the kept lines `access-list N ...` and `ip access-list {standard | extended} NAME`. A line that asks for
something else than addresses, protocol, ports and ICMP types matches no packet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from iosish.config.model import Config

_PROTOCOLS = {
    "ip": None, "icmp": 1, "igmp": 2, "ipinip": 4, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ahp": 51, "eigrp": 88,
    "nos": 94, "ospf": 89, "pim": 103,
}  # fmt: skip
_PORTS = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "bootps": 67, "bootpc": 68,
    "tftp": 69, "www": 80, "pop3": 110, "ntp": 123, "snmp": 161, "snmptrap": 162, "bgp": 179, "isakmp": 500,
    "syslog": 514, "non500-isakmp": 4500,
}  # fmt: skip
_ICMP = {"echo-reply": 0, "unreachable": 3, "redirect": 5, "echo": 8, "time-exceeded": 11, "parameter-problem": 12}
_PORT_PROTOCOLS = (6, 17)
#: Words that change nothing about which packets match.
_LOGGED = ("log", "log-input")


@dataclass(frozen=True, slots=True)
class Flow:
    """What of a packet lists look at; `ports` is None where there are none (no TCP or UDP, or a later fragment)."""

    source: int
    destination: int
    protocol: int
    ports: tuple[int, int] | None = None
    icmp_type: int | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    permit: bool
    tests: tuple[Callable[[Flow], bool], ...]


class AccessList:
    """The rules of one list, in order; behind the last everything is denied."""

    def __init__(self, rules: Iterable[_Rule]) -> None:
        self._rules = tuple(rules)

    def permits(self, flow: Flow) -> bool:
        for rule in self._rules:
            if all(test(flow) for test in rule.tests):
                return rule.permit
        return False


def find(config: Config, name: str) -> AccessList | None:
    """The list of this number or name; None when the configuration has none."""
    lines = list(_lines(config, name))
    if not lines:
        return None
    return AccessList(rule for extended, words in lines if (rule := _rule(words, extended)) is not None)


def _lines(config: Config, name: str) -> Iterator[tuple[bool, list[str]]]:
    for kept in config.kept.values():
        words = kept.text.split()
        if words[:2] == ["access-list", name]:
            number = int(name)
            yield 100 <= number <= 199 or 2000 <= number <= 2699, words[2:]
        elif words[:2] == ["ip", "access-list"] and len(words) == 4 and words[3] == name:
            rules = [line.text.split() for line in kept.kept.values()]
            if all(rule[0].isdecimal() for rule in rules):
                rules.sort(key=lambda rule: int(rule[0]))
            for rule in rules:
                yield words[2] == "extended", rule[1:] if rule[0].isdecimal() else rule


def _rule(words: list[str], extended: bool) -> _Rule | None:
    """A `permit` or `deny` line; None for a remark, and for what cannot be judged."""
    if len(words) < 2 or words[0] not in ("permit", "deny"):
        return None
    rest = [word.lower() for word in words[1:] if word not in _LOGGED]
    try:
        tests = _extended(rest) if extended else [_address(rest, "source")]
    except (AddressValueError, ValueError, IndexError, KeyError):
        return None
    return None if rest else _Rule(words[0] == "permit", tuple(tests))


def _extended(rest: list[str]) -> list[Callable[[Flow], bool]]:
    word = rest.pop(0)
    protocol = int(word) if word.isdecimal() else _PROTOCOLS[word]
    tests: list[Callable[[Flow], bool]] = []
    if protocol is not None:
        tests.append(lambda flow: flow.protocol == protocol)
    for end in (0, 1):
        tests.append(_address(rest, ("source", "destination")[end]))
        if protocol in _PORT_PROTOCOLS and rest and rest[0] in ("eq", "neq", "lt", "gt", "range"):
            tests.append(_port(rest, end))
    if protocol == 1 and rest:
        word = rest.pop(0)
        kind = int(word) if word.isdecimal() else _ICMP[word]
        tests.append(lambda flow: flow.icmp_type == kind)
    return tests


def _address(rest: list[str], end: str) -> Callable[[Flow], bool]:
    word = rest.pop(0)
    if word == "any":
        return lambda flow: True
    if word == "host":
        word, wildcard = rest.pop(0), 0
    elif rest and rest[0][0].isdecimal() and "." in rest[0]:
        wildcard = int(IPv4Address(rest.pop(0)))
    else:
        wildcard = 0
    mask = ~wildcard & 0xFFFFFFFF
    wanted = int(IPv4Address(word)) & mask
    return lambda flow: getattr(flow, end) & mask == wanted


def _port(rest: list[str], end: int) -> Callable[[Flow], bool]:
    operator = rest.pop(0)

    def number() -> int:
        word = rest.pop(0)
        return int(word) if word.isdecimal() else _PORTS[word]

    first = number()
    low, high = {
        "eq": (first, first),
        "neq": (first, first),
        "lt": (0, first - 1),
        "gt": (first + 1, 65535),
        "range": (first, first),
    }[operator]
    if operator == "range":
        high = number()
    wanted = operator != "neq"
    return lambda flow: flow.ports is not None and (low <= flow.ports[end] <= high) is wanted
