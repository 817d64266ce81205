"""What ping and traceroute have in common: their text, names as typed, the questions they ask."""

from __future__ import annotations

from contextlib import aclosing
from ipaddress import IPv4Address

from iosish.cli.tokens import Read, value_type
from iosish.terminal.host import Texts
from iosish.terminal.session import Interrupted, Session

UNRECOGNIZED_HOST = "% Unrecognized host or address, or protocol not running.\n"
INVALID_SOURCE = "% Invalid source. Must use IP address or full interface name without spaces (e.g. Serial0/1)\n"


def destination(session: Session, name: IPv4Address | str) -> IPv4Address | None:
    """The address that a name means; refused if there is none. A lookup never blocks: no name server is asked."""
    if isinstance(name, IPv4Address):
        return name
    address = session.host.resolve(name) if name else None
    if address is None:
        if name and session.host.config.domain_lookup:
            session.write(f'Translating "{name}"...domain server (255.255.255.255)\n')
        session.refuse(UNRECOGNIZED_HOST)
    return address


def source(session: Session, name: IPv4Address | str) -> IPv4Address | None:
    """The address of the router that `source` means, an interface's too; refused if it has no such address."""
    interfaces = session.host.config.interfaces
    if not isinstance(name, IPv4Address):
        read = value_type("interface").read(name, 0)
        interface = interfaces.get(read.value) if isinstance(read, Read) else None
        if interface is not None and interface.ip_address is not None:
            return interface.ip_address.address
        resolved = session.host.resolve(name)
        if resolved is None:
            session.refuse(INVALID_SOURCE)
            return None
        name = resolved
    for interface in interfaces.values():
        own = interface.ip_address
        if (own is not None and own.address == name) or name in interface.secondary:
            return name
    session.refuse(INVALID_SOURCE)
    return None


async def show(session: Session, texts: Texts) -> None:
    """Show the text of a probe as it comes; the probe ends with the session."""
    async with aclosing(texts):
        async for text in texts:
            session.write(text)
            await session.breathe()


async def ask_number(session: Session, question: str, default: int, least: int, most: int) -> int:
    """`Repeat count [5]: `, until the answer is a number in the range. Raises Interrupted."""
    while True:
        answer = await session.ask(f"{question} [{default}]: ", str(default))
        if answer.isascii() and answer.isdigit() and len(answer) <= 10 and least <= int(answer) <= most:
            return int(answer)
        session.write(f"% A decimal number between {least} and {most}.\n")


async def ask_yes(session: Session, question: str, default: str) -> bool:
    """`Extended commands [n]: `."""
    answer = (await session.ask(f"{question} [{default}]: ", default)).lower()
    return bool(answer) and "yes".startswith(answer)


async def ask_protocol(session: Session, command: str) -> None:
    """`Protocol [ip]: `. Raises Interrupted for any other."""
    protocol = (await session.ask("Protocol [ip]: ", "ip")).lower()
    if protocol not in ("ip", "ipv4"):
        session.refuse(f'% Unknown protocol - "{protocol}", type "{command} ?" for help\n')
        raise Interrupted


async def ask_destination(session: Session) -> IPv4Address:
    """`Target IP address: `. Raises Interrupted."""
    name = await session.ask("Target IP address: ")
    if not name:
        session.refuse("% Bad IP address\n")
        raise Interrupted
    address = destination(session, name)
    if address is None:
        raise Interrupted
    return address
