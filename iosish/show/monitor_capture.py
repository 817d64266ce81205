"""`show monitor capture ...`, in the layout of IOS-XE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from iosish.capture import dissect
from iosish.capture.buffer import Captured
from iosish.capture.match import PROTOCOLS, Ipv4Match
from iosish.capture.state import DEFAULT_PPS, CaptureState, Limits, Settings
from iosish.config.interface_name import kind
from iosish.show.text import page, printable
from iosish.snapshot import Snapshot

_DSCP = {0: "BE", 46: "EF"} | {8 * number: f"CS{number}" for number in range(1, 8)}
_DSCP |= {8 * group + 2 * drop: f"AF{group}{drop}" for group in range(1, 5) for drop in range(1, 4)}
_RULE = " " + "-" * 76
_BRIEF = " #   size   timestamp     source             destination      dscp    protocol"
_NAMES = {number: name for name, number in PROTOCOLS.items()}


def capture(snapshot: Snapshot, capture: str | None = None) -> str:
    """`show monitor capture [NAME]`: nothing where there is none."""
    if capture is not None and all(state.name != capture for state in snapshot.captures):
        return page([_missing(capture)])
    lines: list[str] = []
    for state in snapshot.captures:
        if capture in (None, state.name):
            lines += ["", *_status(state)]
    return page(lines)


def parameter(snapshot: Snapshot, capture: str) -> str:
    """`show monitor capture NAME parameter`: the lines that make it again."""
    for state in snapshot.captures:
        if state.name == capture:
            return page(f"   monitor capture {capture} {line}" for line in parameters(state.settings))
    return page([_missing(capture)])


def buffer(snapshot: Snapshot, capture: str) -> str:
    """`show monitor capture NAME buffer`: how full it is."""
    for state in snapshot.captures:
        if state.name == capture:
            average = round(state.packets / max(state.span_s, 1.0))
            return page(
                [
                    f" buffer size (KB) : {state.settings.size_mb * 1024}",
                    f" buffer used (KB) : {-(-state.used // 1024)}",
                    f" packets in buf   : {state.packets}",
                    f" packets dropped  : {state.dropped}",
                    f" packets per sec  : {average}",
                ]
            )
    return page([_missing(capture)])


def brief(packets: Sequence[Captured]) -> str:
    """A line for each packet. Times count from the first."""
    return page([_RULE, _BRIEF, _RULE, *_lines(packets)])


def detailed(packets: Sequence[Captured]) -> str:
    """What `brief` shows, in several lines, and the octets."""
    lines: list[str] = [_RULE, _BRIEF, _RULE]
    for packet, line in zip(packets, _lines(packets), strict=True):
        head, *more = line.split("; ")
        direction = "in on" if packet.inbound else "out of"
        cut = f", {len(packet.data)} of {packet.length} octets" if len(packet.data) < packet.length else ""
        lines += [head, *(f"        {part}" for part in more)]
        lines += [f"        {direction} {packet.interface}{cut}", *_dump(packet.data), ""]
    return page(lines)


def dump(packets: Sequence[Captured]) -> str:
    """The octets of each packet."""
    lines: list[str] = []
    for number, packet in enumerate(packets):
        lines += [f" {number}", *_dump(packet.data), ""]
    return page(lines)


def _missing(name: str) -> str:
    return printable(f"Capture {name} has not been configured")


def _status(state: CaptureState) -> Iterator[str]:
    settings, limits = state.settings, state.settings.limits
    yield f"Status Information for Capture {state.name}"
    yield "  Target Type:"
    for interface, direction in settings.interfaces.items():
        yield f"  Interface: {interface}, Direction: {direction.value}"
    yield f"   Status : {'Active' if state.active else 'Inactive'}"
    yield "  Filter Details:"
    yield from _filter(settings.match)
    yield "  Buffer Details:"
    yield f"   Buffer Type: {'CIRCULAR' if settings.circular else 'LINEAR (default)'}"
    yield f"   Buffer Size (in MB): {settings.size_mb}"
    yield "  Limit Details:"
    yield f"   Number of Packets to capture: {_number(limits.packets, 'no limit')}"
    yield f"   Packet Capture duration: {_number(limits.duration_s, 'no limit')}"
    yield f"   Packet Size to capture: {_number(limits.packet_length, 'no limit')}"
    yield f"   Maximum number of packets to capture per second: {_number(limits.packets_per_s, 'no limit')}"
    yield f"   Packet sampling rate: {_number(limits.every, 'no sampling')}"


def _filter(match: Ipv4Match | None) -> Iterator[str]:
    if match is None:
        yield "    Capture all packets"
        return
    yield "   IPv4"
    yield f"    Source IP:  {_endpoint(match.source.prefixlen and str(match.source))}"
    yield f"    Destination IP:  {_endpoint(match.destination.prefixlen and str(match.destination))}"
    port = "" if match.port is None else f", destination port {match.port}"
    yield f"   Protocol: {_protocol(match.protocol)}{port}"


def _endpoint(network: str | int) -> str:
    return str(network).removesuffix("/32") if network else "any"


def _protocol(number: int | None) -> str:
    return "any" if number is None else _NAMES.get(number, str(number))


def _number(value: int, without: str) -> str:
    return str(value) if value else f"0 ({without})"


def parameters(settings: Settings) -> Iterator[str]:
    """What was typed behind `monitor capture NAME`."""
    for interface, direction in settings.interfaces.items():
        yield f"interface {interface} {direction.value}"
    yield f"match {_rule(settings.match)}"
    yield f"buffer size {settings.size_mb}{' circular' if settings.circular else ''}"
    yield from _limits(settings.limits)


def _rule(match: Ipv4Match | None) -> str:
    if match is None:
        return "any"
    protocol = "" if match.protocol is None else f"protocol {_protocol(match.protocol)} "
    ends = (
        "any" if not end.prefixlen else f"host {end.network_address}" if end.prefixlen == 32 else str(end)
        for end in (match.source, match.destination)
    )
    return f"ipv4 {protocol}{' '.join(ends)}{'' if match.port is None else f' eq {match.port}'}"


def _limits(limits: Limits) -> Iterable[str]:
    given = {
        "duration": limits.duration_s,
        "every": limits.every,
        "packet-len": limits.packet_length,
        "packets": limits.packets,
    }
    lines = [f"limit {name} {value}" for name, value in given.items() if value]
    return [*lines, f"limit pps {limits.packets_per_s}"] if limits.packets_per_s != DEFAULT_PPS else lines


def _lines(packets: Sequence[Captured]) -> Iterator[str]:
    start = packets[0].at if packets else 0.0
    for number, packet in enumerate(packets):
        read = dissect.line(packet.data, kind(packet.interface) == "Tunnel")
        dscp = "" if read.dscp is None else f"{read.dscp:2} {_DSCP.get(read.dscp, ''):4}"
        ends = f"{read.source:<16} -> {read.destination:<16}"
        at = packet.at - start
        yield f"{number:4} {packet.length:4} {at:11.6f}   {ends} {dscp:<8} {read.protocol:<7} {read.text}".rstrip()


def _dump(data: bytes) -> Iterator[str]:
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        octets = row.hex().upper()
        groups = " ".join(octets[start : start + 8] for start in range(0, len(octets), 8))
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        yield f"  {at:04X}:  {groups:<35}   {text}"
