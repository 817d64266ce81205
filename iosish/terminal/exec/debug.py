"""`debug ...`, `undebug ...`, `no debug ...`: for the whole router, whoever typed it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from iosish.log.topics import TOPICS, told
from iosish.terminal.session import Session

_WARNING = "This may severely impact network performance. Continue? (yes/[no]): "
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
        session.host.set_debugging(replace(debugging, peers=frozenset()))
    elif peer is not None:
        session.host.set_debugging(replace(debugging, peers=debugging.peers | {peer}))
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
        session.host.set_debugging(replace(debugging, peers=debugging.peers - {peer}))
    elif all:
        session.host.set_debugging(replace(debugging, topics=frozenset()))
        session.write(f"{_ALL} off\n")
    else:
        topic = _topic(words)
        session.host.set_debugging(replace(debugging, topics=debugging.topics - {topic}))
        session.write(f"{told(topic, on=False)}\n")


def _topic(words: dict[str, bool]) -> str:
    """The topic whose last words these are."""
    typed = " ".join(words)
    return next(topic for topic in TOPICS if topic.removeprefix("crypto ").removeprefix("ip ") == typed)
