"""`show logging`: what was counted, then the lines in the buffer."""

from __future__ import annotations

from iosish import log
from iosish.show.text import page
from iosish.snapshot import Snapshot

HEADING = (
    "Syslog logging: enabled (0 messages dropped, 0 messages rate-limited, 0 flushes, 0 overruns, "
    "xml disabled, filtering disabled)",
    "",
    "No Active Message Discriminator.",
    "",
    "",
    "",
    "No Inactive Message Discriminator.",
    "",
    "",
    "    Console logging: level debugging, {logged} messages logged, xml disabled,",
    "                     filtering disabled",
    "    Monitor logging: level debugging, 0 messages logged, xml disabled,",
    "                     filtering disabled",
    "    Buffer logging:  level debugging, {logged} messages logged, xml disabled,",
    "                    filtering disabled",
    "    Exception Logging: size ({size} bytes)",
    "    Count and timestamp logging messages: disabled",
    "    Persistent logging: disabled",
    "",
    "No active filter modules.",
    "",
    "    Trap logging: level informational, {trapped} message lines logged",
    "        Logging Source-Interface:       VRF Name:",
    "",
    "Log Buffer ({size} bytes):",
    "",
)
#: Debugging output is below the level of `logging trap`.
_DEBUGGING = 7


def logging(snapshot: Snapshot) -> str:
    logged = len(snapshot.log) + snapshot.log_dropped
    debugging = sum(record.severity == _DEBUGGING for record in snapshot.log)
    values = {"logged": logged, "trapped": logged - debugging, "size": log.BUFFER_BYTES}
    return page([line.format(**values) for line in HEADING] + [log.line(record) for record in snapshot.log])
