"""`traceroute`, with its dialogue."""

from __future__ import annotations

from ipaddress import IPv4Address

from iosish.icmp.traceroute import TracerouteRequest
from iosish.terminal.exec import target
from iosish.terminal.session import Interrupted, Session


async def traceroute(
    session: Session,
    destination: IPv4Address | str | None = None,
    source: IPv4Address | str | None = None,
    numeric: bool = False,
    timeout: int = 3,  # noqa: ASYNC109 the word of the command, no limit on this coroutine
    probe: int = 3,
    port: int = 33434,
) -> None:
    """`traceroute [ip] [A.B.C.D|WORD [source X] [numeric] [timeout S] [probe N] [port N]]`."""
    if destination is None:
        request = await _dialogue(session)
    else:
        address = target.destination(session, destination)
        own = target.source(session, source) if address is not None and source is not None else None
        if address is None or (source is not None and own is None):
            return
        name = destination if isinstance(destination, str) and destination != str(address) else None
        request = TracerouteRequest(address, name, own, float(timeout), probe, port=port, numeric=numeric)
    await target.show(session, session.host.traceroute(request, session.interrupted))


async def _dialogue(session: Session) -> TracerouteRequest:
    """`traceroute` alone asks for everything. Raises Interrupted."""
    await target.ask_protocol(session, "traceroute")
    address = await target.ask_destination(session)
    name = await session.ask("Source address: ")
    own = target.source(session, name) if name else None
    if name and own is None:
        raise Interrupted
    numeric = await target.ask_yes(session, "Numeric display", "n")
    timeout = await target.ask_number(session, "Timeout in seconds", 3, 0, 3600)
    probes = await target.ask_number(session, "Probe count", 3, 1, 65535)
    ttl_min = await target.ask_number(session, "Minimum Time to Live", 1, 0, 255)
    ttl_max = await target.ask_number(session, "Maximum Time to Live", 30, max(ttl_min, 1), 255)
    port = await target.ask_number(session, "Port Number", 33434, 0, 65535)
    await session.ask("Loose, Strict, Record, Timestamp, Verbose[none]: ")
    return TracerouteRequest(address, None, own, float(timeout), probes, ttl_min, ttl_max, port, numeric)
