"""The severities of log messages, as IOS names them: 0 (emergencies) to 7 (debugging)."""

from __future__ import annotations

from collections.abc import Mapping

#: Each name, and what `?` says about it.
SEVERITIES: Mapping[str, str] = {
    "emergencies": "System is unusable                (severity=0)",
    "alerts": "Immediate action needed           (severity=1)",
    "critical": "Critical conditions               (severity=2)",
    "errors": "Error conditions                  (severity=3)",
    "warnings": "Warning conditions                (severity=4)",
    "notifications": "Normal but significant conditions (severity=5)",
    "informational": "Informational messages            (severity=6)",
    "debugging": "Debugging messages                (severity=7)",
}
_NUMBERS = {name: number for number, name in enumerate(SEVERITIES)}
CRITICAL, DEBUGGING = _NUMBERS["critical"], _NUMBERS["debugging"]


def number(name: str) -> int:
    """Raises KeyError for a name that is none."""
    return _NUMBERS[name]
