"""`monitor capture ...` and what `show monitor capture` shows of packets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from iosish.capture import file
from iosish.capture.buffer import Captured
from iosish.capture.captures import CaptureError
from iosish.capture.match import ANY, PROTOCOLS, Ipv4Match
from iosish.capture.state import DEFAULT_PPS, DEFAULT_SIZE_MB, Direction, Limits, Settings
from iosish.files import parse
from iosish.show import monitor_capture
from iosish.terminal.session import INVALID, Session


async def attach(session: Session, capture: str, interface: str, **direction: bool) -> None:
    """`monitor capture NAME interface X {both | in | out}`."""
    if interface not in session.host.config.interfaces:
        session.refuse_interface()
        return
    _do(session, lambda: session.host.captures.attach(capture, interface, Direction(next(iter(direction)))))


async def match_any(session: Session, capture: str) -> None:
    """`monitor capture NAME match any`."""
    _change(session, capture, lambda old: replace(old, match=None))


async def match_rule(
    session: Session,
    capture: str,
    protocol: str | None = None,
    source_host: IPv4Address | None = None,
    source_network: IPv4Network | None = None,
    source: IPv4Address | None = None,
    source_mask: IPv4Address | None = None,
    destination_host: IPv4Address | None = None,
    destination_network: IPv4Network | None = None,
    destination: IPv4Address | None = None,
    destination_mask: IPv4Address | None = None,
    port: int | None = None,
    **_words: bool,
) -> None:
    """`monitor capture NAME match ipv4 [protocol P] {any | host A | A/n | A mask} {...} [eq PORT]`."""
    number: int | None = None
    if protocol is not None:
        number = PROTOCOLS.get(protocol.lower(), int(protocol) if protocol.isascii() and protocol.isdigit() else 256)
        if number > 255:
            session.refuse(INVALID)
            return
    rule = Ipv4Match(
        _network(source_host, source_network, source, source_mask),
        _network(destination_host, destination_network, destination, destination_mask),
        number,
        port,
    )
    _change(session, capture, lambda old: replace(old, match=rule))


def _network(
    host: IPv4Address | None, network: IPv4Network | None, address: IPv4Address | None, mask: IPv4Address | None
) -> IPv4Network:
    if host is not None:
        return IPv4Network(host)
    if address is not None:
        return IPv4Network((address, str(mask)), strict=False)
    return ANY if network is None or not network.prefixlen else network


async def buffer(session: Session, capture: str, size: int | None = None, circular: bool = False) -> None:
    """`monitor capture NAME buffer [circular] [size MB]`."""
    kept = DEFAULT_SIZE_MB if size is None else size
    _change(session, capture, lambda old: replace(old, size_mb=kept, circular=circular))


async def limit(
    session: Session,
    capture: str,
    duration: int | None = None,
    every: int | None = None,
    packet_len: int | None = None,
    packets: int | None = None,
    pps: int | None = None,
) -> None:
    """`monitor capture NAME limit [duration S] [every N] [packet-len N] [packets N] [pps N]`."""
    given = {
        "duration_s": duration,
        "every": every,
        "packet_length": packet_len,
        "packets": packets,
        "packets_per_s": pps,
    }
    told = {field: value for field, value in given.items() if value is not None}
    _change(session, capture, lambda old: replace(old, limits=replace(old.limits, **told)))


async def start(session: Session, capture: str) -> None:
    """`monitor capture NAME start`."""
    if _do(session, lambda: session.host.captures.start(capture)):
        session.write(f"Started capture point : {capture}\n")


async def stop(session: Session, capture: str) -> None:
    """`monitor capture NAME stop`."""
    stopped = asyncio.Event()
    if _do(session, lambda: session.host.captures.stop(capture, stopped.set)):
        await stopped.wait()
        session.write(f"Stopped capture point : {capture}\n")


async def clear(session: Session, capture: str) -> None:
    """`monitor capture NAME clear`."""
    if _do(session, lambda: session.host.captures.clear(capture)):
        session.write(f"Cleared buffer for capture point : {capture}\n")


async def export(session: Session, capture: str, url: str) -> None:
    """`monitor capture NAME export {flash:FILE | PATH}`: pcapng, whatever the name ends in."""
    try:
        name = parse(url, session.folder)
        packets = session.host.captures.packets(capture)
        state = next(state for state in session.host.captures.state() if state.name == capture)
        hostname = session.host.config.hostname

        def write() -> None:
            session.host.files.write(name, file.encode(hostname, state, packets))

        await asyncio.to_thread(write)  # the router goes on meanwhile
    except CaptureError as error:
        session.refuse(f"{error}\n")
    except OSError as error:
        session.refuse(f"%Error writing {url} ({error.strerror or error})\n")
    else:
        session.write("Exported Successfully\n")


async def remove(session: Session, capture: str) -> None:
    """`no monitor capture NAME`."""
    _do(session, lambda: session.host.captures.remove(capture))


async def detach(session: Session, capture: str, interface: str, **_direction: bool) -> None:
    """`no monitor capture NAME interface X`."""
    _do(session, lambda: session.host.captures.detach(capture, interface))


async def no_buffer(session: Session, capture: str, **_rest: object) -> None:
    """`no monitor capture NAME buffer`."""
    _change(session, capture, lambda old: replace(old, size_mb=DEFAULT_SIZE_MB, circular=False), must_exist=True)


async def no_limit(session: Session, capture: str, **words: bool) -> None:
    """`no monitor capture NAME limit [WORD]`."""
    gone = {
        "duration": {"duration_s": 0},
        "every": {"every": 0},
        "packet_len": {"packet_length": 0},
        "packets": {"packets": 0},
        "pps": {"packets_per_s": DEFAULT_PPS},
    }
    told = {field: value for word in words for field, value in gone[word].items()}
    _change(
        session,
        capture,
        lambda old: replace(old, limits=replace(old.limits, **told) if told else Limits()),
        must_exist=True,
    )


async def show_brief(session: Session, capture: str) -> None:
    """`show monitor capture NAME buffer brief`."""
    await _show(session, capture, monitor_capture.brief)


async def show_detailed(session: Session, capture: str) -> None:
    """`show monitor capture NAME buffer detailed`."""
    await _show(session, capture, monitor_capture.detailed)


async def show_dump(session: Session, capture: str) -> None:
    """`show monitor capture NAME buffer dump`."""
    await _show(session, capture, monitor_capture.dump)


async def _show(session: Session, capture: str, text_of: Callable[[Sequence[Captured]], str]) -> None:
    try:
        packets = session.host.captures.packets(capture)
    except CaptureError as error:
        session.refuse(f"{error}\n")
        return
    # A full buffer is much to read: the router goes on meanwhile.
    await session.page(await asyncio.to_thread(text_of, packets))


def _change(
    session: Session, capture: str, change: Callable[[Settings], Settings], *, must_exist: bool = False
) -> None:
    captures = session.host.captures
    if must_exist:
        _do(session, lambda: captures.packets(capture)) and _do(session, lambda: captures.change(capture, change))
    else:
        _do(session, lambda: captures.change(capture, change))


def _do(session: Session, act: Callable[[], object]) -> bool:
    try:
        act()
    except CaptureError as error:
        session.refuse(f"{error}\n")
        return False
    return True
