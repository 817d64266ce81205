"""`debug ...`, `undebug ...`, `no debug ...`: for the whole router, whoever typed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from iosish.log.topics import TOPICS, of_dmvpn, told
from iosish.snapshot import DebugCondition
from iosish.terminal.session import Session

#: The kind of a condition, with its value.
Named = Mapping[str, IPv4Address | str]

_WARNING = "This may severely impact network performance. Continue? (yes/[no]): "
_LAST = (
    "This condition is the last {} condition set.\n"
    "Removing all conditions may cause a flood of debugging\n"
    "messages to result, unless specific debugging flags\n"
    "are first removed.\n\n"
)
_ALL = "All possible debugging has been turned"


async def debug(
    session: Session,
    peer: IPv4Address | None = None,
    reset: bool = False,
    all: bool = False,
    list: str | int | None = None,
    detail: bool = False,
    **words: bool,
) -> None:
    """`debug TOPIC`, `debug all`, `debug crypto condition {peer ipv4 A | reset}`."""
    debugging = session.host.debugging
    if reset:
        _remove(session, "crypto")
    elif peer is not None:
        _condition(session, "crypto", {"peer nbma": peer})
    elif all:
        answer = await session.ask(_WARNING, "no")
        if answer and "yes".startswith(answer.lower()):
            session.host.set_debugging(replace(debugging, topics=frozenset(TOPICS)))
            session.write(f"{_ALL} on\n")
    else:
        topic = _topic(words)
        debugging = replace(debugging, topics=debugging.topics | {topic})
        if topic == "ip packet":
            debugging = replace(debugging, packet_list=None if list is None else str(list), packet_detail=detail)
        session.host.set_debugging(debugging)
        session.write(f"{told(topic, on=True, debugging=debugging)}\n")


async def undebug(
    session: Session,
    peer: IPv4Address | None = None,
    all: bool = False,
    list: str | int | None = None,
    detail: bool = False,
    **words: bool,
) -> None:
    """`undebug TOPIC`, `undebug all`, `no debug crypto condition peer ipv4 A`."""
    debugging = session.host.debugging
    if peer is not None:
        _remove(session, "crypto", {"peer nbma": peer})
    elif all:
        session.host.set_debugging(replace(debugging, topics=frozenset()))
        session.write(f"{_ALL} off\n")
    else:
        topic = _topic(words)
        session.host.set_debugging(replace(debugging, topics=debugging.topics - {topic}))
        session.write(f"{told(topic, on=False)}\n")


async def dmvpn(session: Session, level: str, kind: str) -> None:
    """`debug dmvpn LEVEL KIND`."""
    debugging, topics = session.host.debugging, of_dmvpn(level, kind)
    session.host.set_debugging(replace(debugging, topics=debugging.topics.union(topics)))
    session.write("".join(f"{told(topic, on=True)}\n" for topic in topics))


async def no_dmvpn(session: Session, level: str, kind: str) -> None:
    """`undebug dmvpn LEVEL KIND`."""
    debugging, topics = session.host.debugging, of_dmvpn(level, kind)
    session.host.set_debugging(replace(debugging, topics=debugging.topics.difference(topics)))
    session.write("".join(f"{told(topic, on=False)}\n" for topic in topics))


async def dmvpn_condition(session: Session, **given: IPv4Address | str | bool) -> None:
    """`debug dmvpn condition {interface X | peer {nbma | tunnel} A | unmatched | vrf V}`."""
    _condition(session, "dmvpn", _named(given))


async def no_dmvpn_condition(session: Session, **given: IPv4Address | str | bool) -> None:
    """`no debug dmvpn condition [...]`."""
    await _remove_asking(session, "dmvpn", _named(given))


async def nhrp_condition(session: Session, **given: IPv4Address | str | bool) -> None:
    """`debug nhrp condition {interface X | peer {nbma | tunnel} A | vrf V}`."""
    _condition(session, "nhrp", _named(given))


async def no_nhrp_condition(session: Session, **given: IPv4Address | str | bool) -> None:
    """`no debug nhrp condition [...]`."""
    await _remove_asking(session, "nhrp", _named(given))


def _named(given: Mapping[str, IPv4Address | str | bool]) -> dict[str, IPv4Address | str]:
    """The kind of a condition with its value, from the placeholders and words of a line."""
    kinds = {"nbma": "peer nbma", "tunnel": "peer tunnel", "interface": "interface", "vrf": "vrf"}
    if "unmatched" in given:
        return {"unmatched": ""}
    return {kinds[name]: value for name, value in given.items() if name in kinds and not isinstance(value, bool)}


def _condition(session: Session, given_to: str, named: Named) -> None:
    debugging = session.host.debugging
    known = dict.fromkeys((*debugging.conditions, *_conditions(given_to, named)))
    session.host.set_debugging(replace(debugging, conditions=tuple(known)))


def _remove(session: Session, given_to: str, named: Named | None = None) -> None:
    """Remove one condition that was given to a command, or all of them."""
    debugging = session.host.debugging
    gone = (
        _conditions(given_to, named) if named else [each for each in debugging.conditions if each.given_to == given_to]
    )
    stays = tuple(condition for condition in debugging.conditions if condition not in gone)
    session.host.set_debugging(replace(debugging, conditions=stays))


async def _remove_asking(session: Session, given_to: str, named: Named) -> None:
    """The same, but ask before the last one goes."""
    mine = {condition for condition in session.host.debugging.conditions if condition.given_to == given_to}
    if mine and (not named or mine == set(_conditions(given_to, named))):
        session.write(_LAST.format(given_to))
        answer = await session.ask("Proceed with removal? [yes/no]: ", "yes")
        if not "yes".startswith(answer.lower()):
            return
    _remove(session, given_to, named)


def _conditions(given_to: str, named: Named) -> list[DebugCondition]:
    return [DebugCondition(given_to, kind, value) for kind, value in named.items()]


def _topic(words: dict[str, bool]) -> str:
    """The topic whose last words these are."""
    typed = " ".join(words)
    return next(topic for topic in TOPICS if topic.removeprefix("crypto ").removeprefix("ip ") == typed)
