"""The life of one router process: start, serve, reload, end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from iosish import resources
from iosish.cli.grammar import Grammar
from iosish.cli.grammar import load as load_grammar
from iosish.log.as_json import as_json
from iosish.plane.user import UserPlane
from iosish.runtime.host import RouterHost
from iosish.runtime.options import RouterOptions
from iosish.runtime.standard_output import StandardOutput
from iosish.snapshot import LogRecord
from iosish.terminal.server import Server

#: How often the counters are read for the 5-minute rates.
RATES_EVERY_S = 10.0
#: The output of the session that asked for a reload gets this long to leave.
RELOAD_AFTER_S = 0.2


def serve(options: RouterOptions, grammar: Grammar | None = None) -> int:
    """Run a router until SIGTERM or SIGINT; a reload starts it anew in the same process. Gives the exit status."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # keys must not be left in the core of one that crashed
    grammar = grammar or load_grammar(resources.folder("grammar"))
    gc.freeze()
    while asyncio.run(_serve(options, grammar)):
        options = replace(options, reason="reload", ready=None)
    return 0


async def _serve(options: RouterOptions, grammar: Grammar) -> bool:
    """One life of the router; tells whether it is to start again."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ending.set)
    host = RouterHost(grammar, options)
    plane = UserPlane(host.driver, options.interfaces)
    server = Server(host, options.socket_path, host.status)
    host.sessions = server.sessions
    host.changed = server.changed
    host.tell = server.tell
    output = _standard_output(host) if options.log_to is not None else None
    own_errors = _OwnErrors(host)
    logging.getLogger().addHandler(own_errors)
    rates: asyncio.Task[None] | None = None
    try:
        await plane.start()
        host.driver.plane = plane
        host.say("SYS", 5, "RESTART", "System restarted --")
        host.say("CRYPTO", 6, "ISAKMP_ON_OFF", "ISAKMP is OFF")  # IOS says so at boot, with a crypto map or without
        host.boot()
        await _first(plane.settled(), ending.wait())
        await server.start()
        rates = asyncio.create_task(_sample(host))
        if options.ready:
            options.ready()
        await _first(ending.wait(), host.reloading.wait())
        if not ending.is_set():
            await asyncio.sleep(RELOAD_AFTER_S)
    finally:
        if rates:
            rates.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await rates
        await server.close()
        host.driver.end()
        host.log_servers.close()
        await plane.stop(final=ending.is_set() or not host.reloading.is_set())
        logging.getLogger().removeHandler(own_errors)
        if output is not None:
            output.close()
    return host.reloading.is_set() and not ending.is_set()


def _standard_output(host: RouterHost) -> StandardOutput:
    """Every line of the log on standard output, as `RouterOptions.log_to` says."""

    def lost(lines: int) -> None:
        host.say("SYS", 3, "LOGGER_DROPPED", f"System dropped {lines} messages to standard output.")

    def write(record: LogRecord, written: str) -> None:
        output.write(lambda: as_json(record, host.hostname) if host.options.log_to == "json" else written)

    output = StandardOutput(1, lost)
    host.log.follow(write)
    return output


class _OwnErrors(logging.Handler):
    """What goes wrong in iosish itself, as a line of the router's log; where it happened is on standard error."""

    def __init__(self, host: RouterHost) -> None:
        super().__init__(logging.WARNING)
        self._host = host
        self._says = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._says:
            return
        self._says = True
        try:
            reason = record.exc_info[1] if record.exc_info else None
            text = record.getMessage() + (f" ({type(reason).__name__}: {reason})" if reason is not None else "")
            self._host.say("IOSISH", 3 if record.levelno >= logging.ERROR else 4, "INTERNAL", text)
            if reason is not None and logging.lastResort is not None:
                logging.lastResort.handle(record)
        finally:
            self._says = False


async def _first(*events: Coroutine[Any, Any, object]) -> None:
    """Wait for whatever comes first."""
    waiting = [asyncio.ensure_future(event) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _sample(host: RouterHost) -> None:
    while True:
        await asyncio.sleep(RATES_EVERY_S)
        await host.sample_rates()
