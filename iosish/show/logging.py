"""`show logging`: what goes where, what was counted, then the lines in the buffer."""

from __future__ import annotations

from itertools import groupby
from typing import Literal

from iosish.config.model import Buffered
from iosish.log.line import line, when
from iosish.show.text import page
from iosish.snapshot import LogCount, LogServerState, Snapshot

COUNT_COLUMNS = "Facility       Message Name                    Sev  Occur     Last Time"
COUNT_RULE = f"{'-' * 13}  {'-' * 31} {'-' * 30}"


def logging(snapshot: Snapshot) -> str:
    settings, counters = snapshot.config.logging, snapshot.log_counters
    trap = f"level {settings.trap}, {counters.trap} message lines logged" if settings.trap else "disabled"
    lines = [
        f"Syslog logging: {'enabled' if settings.on else 'disabled'} ({counters.dropped} messages dropped, "
        f"{counters.rate_limited} messages rate-limited, 0 flushes, 0 overruns, xml disabled, filtering disabled)",
        "",
        "No Active Message Discriminator.",
        "",
        "",
        "",
        "No Inactive Message Discriminator.",
        "",
        "",
        *_terminal("Console", settings.console, counters.console),
        *_terminal("Monitor", settings.monitor, counters.monitor),
        *_buffer(settings.buffered, counters.buffer),
        f"    Exception Logging: size ({Buffered().size} bytes)",
        f"    Count and timestamp logging messages: {'enabled' if settings.count else 'disabled'}",
        "    Persistent logging: disabled",
        "",
        "No active filter modules.",
        "",
        f"    Trap logging: {trap}",
        *(text for server in snapshot.log_servers for text in _server(server)),
        "        Logging Source-Interface:       VRF Name:",
        *([f"        {settings.source_interface}"] if settings.source_interface else []),
        "",
    ]
    if settings.buffered:
        lines += [f"Log Buffer ({settings.buffered.size} bytes):", "", *map(line, snapshot.log)]
    return page(lines)


def count(snapshot: Snapshot) -> str:
    """`show logging count`: what came, by facility, with the time of the last."""
    lines = [COUNT_COLUMNS, "=" * 77]
    for facility, counts in groupby(sorted(snapshot.log_counts, key=_facility), _facility):
        total = 0
        for counted in counts:
            total += counted.occurrences
            lines.append(
                f"{facility:<14} {counted.mnemonic:<31} {counted.severity:>3} {counted.occurrences:>6}"
                f"     {when(counted.last)}".rstrip()
            )
        lines += [COUNT_RULE, f"{f'{facility} TOTAL':<50} {total:>6}", ""]
    return page(lines)


def _facility(counted: LogCount) -> str:
    return counted.facility


def _server(server: LogServerState) -> list[str]:
    return [
        f"        Logging to {server.host}  ({server.protocol} port {server.port}, audit disabled,",
        f"              link {'up' if server.up else 'down'}),",
        f"              {server.logged} message lines logged, ",
        "              0 message lines rate-limited, ",
        f"              {server.dropped} message lines dropped-by-MD, ",
        f"              xml disabled, sequence number {'enabled' if server.numbered else 'disabled'}",
        "              filtering disabled",
    ]


def _terminal(name: str, level: str | Literal[False], logged: int) -> list[str]:
    if not level:
        return [f"    {name} logging: disabled"]
    return [
        f"    {name} logging: level {level}, {logged} messages logged, xml disabled,",
        "                     filtering disabled",
    ]


def _buffer(buffered: Buffered | Literal[False], logged: int) -> list[str]:
    what = f"level {buffered.level}, {logged} messages logged" if buffered else "disabled"
    return [f"    Buffer logging:  {what}, xml disabled,", "                    filtering disabled"]
