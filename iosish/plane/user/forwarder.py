"""The forwarder process: forked from the router, it runs the loop that carries packets, and ends with the router."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
from typing import NoReturn

from iosish.plane.user import channel
from iosish.plane.user.loop import Loop

_PR_SET_PDEATHSIG = 1


def fork(own: socket.socket, *, warm: bool = False) -> int:
    """Fork the forwarder onto `own`, its end of the channel. Gives its pid."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        _become_forwarder(own, parent, warm)
    finally:
        os._exit(1)


def _become_forwarder(own: socket.socket, parent: int, warm: bool) -> NoReturn:
    gc.freeze()  # what came with the fork stays shared with the router
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    # Sockets of the router's clients must not stay open here when the router closes them.
    limit = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, own.fileno())
    os.closerange(own.fileno() + 1, min(limit, 65536))
    try:
        Loop(own, warm=warm).run()
    except Exception as error:  # of our own making: the log of the router is where it belongs
        with contextlib.suppress(OSError):
            own.send(channel.pack(channel.ENDED, f"{type(error).__name__}: {error}"))
        os._exit(1)
    os._exit(0)
