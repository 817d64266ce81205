"""`ping`, with its dialogue."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from iosish.icmp.ping import SIZE_MAX, SIZE_MIN, PingRequest
from iosish.terminal.exec import target
from iosish.terminal.session import Interrupted, Session

_REPEAT_MAX = 2147483647
_TIMEOUT_MAX_S = 3600


async def ping(
    session: Session,
    destination: IPv4Address | str | None = None,
    source: IPv4Address | str | None = None,
    repeat: int = 5,
    size: int = 100,
    timeout: int = 2,  # noqa: ASYNC109 the word of the command, no limit on this coroutine
    df_bit: bool = False,
    validate: bool = False,
    tos: int = 0,
) -> None:
    """`ping [ip] [A.B.C.D|WORD [source X] [repeat N] [size N] [timeout S] [df-bit] [validate] [tos N]]`."""
    if destination is None:
        request = await _dialogue(session)
    else:
        address = target.destination(session, destination)
        own = target.source(session, source) if address is not None and source is not None else None
        if address is None or (source is not None and own is None):
            return
        request = PingRequest(address, own, repeat, size, float(timeout), df_bit, tos, validate=validate)
    await target.show(session, session.host.ping(request, session.interrupted))


async def _dialogue(session: Session) -> PingRequest:
    """`ping` alone asks for everything. Raises Interrupted."""
    await target.ask_protocol(session, "ping")
    address = await target.ask_destination(session)
    request = PingRequest(
        address,
        repeat=await target.ask_number(session, "Repeat count", 5, 1, _REPEAT_MAX),
        size=await target.ask_number(session, "Datagram size", 100, SIZE_MIN, SIZE_MAX),
        timeout_s=float(await target.ask_number(session, "Timeout in seconds", 2, 0, _TIMEOUT_MAX_S)),
    )
    if not await target.ask_yes(session, "Extended commands", "n"):
        return request
    name = await session.ask("Source address or interface: ")
    own = target.source(session, name) if name else None
    if name and own is None:
        raise Interrupted
    request = replace(
        request,
        source=own,
        tos=await target.ask_number(session, "Type of service", 0, 0, 255),
        df=await target.ask_yes(session, "Set DF bit in IP header?", "no"),
        validate=await target.ask_yes(session, "Validate reply data?", "no"),
        pattern=await _ask_pattern(session),
    )
    await session.ask("Loose, Strict, Record, Timestamp, Verbose[none]: ")
    if await target.ask_yes(session, "Sweep range of sizes", "n"):
        least = await target.ask_number(session, "Sweep min size", SIZE_MIN, SIZE_MIN, SIZE_MAX)
        most = await target.ask_number(session, "Sweep max size", SIZE_MAX, least, SIZE_MAX)
        step = await target.ask_number(session, "Sweep interval", 1, 1, SIZE_MAX)
        request = replace(request, sweep=(least, most, step))
    return request


async def _ask_pattern(session: Session) -> int:
    while True:
        answer = (await session.ask("Data pattern [0xABCD]: ", "0xABCD")).lower().removeprefix("0x")
        if 1 <= len(answer) <= 4 and set(answer) <= set("0123456789abcdef"):
            return int(answer, 16)
        session.write("% Invalid pattern, try again.\n")
