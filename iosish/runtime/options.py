"""What a router process is started with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RouterOptions:
    """`name` is what logs call it until its hostname is known; `startup_path` its startup-config, `kept_path` the copy
    that is kept of it (`config/store.py`; in `state_dir` unless the caller must find it before it knows the name).

    `socket_path` is where consoles come in; its folder is 0700. `interfaces` maps IOS names to devices (`--interface`).
    `log_to` "text" prints every log line on standard output, "json" an object for each. `reason` is what `show version`
    says about the last start.
    `ready` is called once, when the sockets are open and the first configuration is applied.
    """

    name: str
    startup_path: Path
    socket_path: Path
    state_dir: Path
    interfaces: Mapping[str, str] = field(default_factory=dict)
    log_to: str | None = None
    reason: str = "power-on"
    kept_path: Path | None = None
    ready: Callable[[], None] | None = None

    @property
    def kept(self) -> Path:
        return self.kept_path or self.state_dir / "startup-config.kept"
