"""`iosish lab capture R5 Fa0/1`: what passes a router's interface, as pcapng on standard output."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
import time

from iosish.capture import pcapng
from iosish.config import interface_name
from iosish.lab.ask import ask_lab
from iosish.lab.inside import enter
from iosish.lab.places import Running, Trouble
from iosish.plane.device_name import device_name

ETH_P_ALL = 3
SNAP_LENGTH = 262144
SO_TIMESTAMPNS = 35
PACKET_OUTGOING = 4
RECEIVE_BUFFER = 8 << 20


def full_name(text: str, known: list[str]) -> str:
    """The interface that a word means, abbreviated as on IOS, any case. Raises Trouble."""
    position = next((i for i, letter in enumerate(text) if letter.isdigit()), len(text))
    kind, number = text[:position].lower(), text[position:]
    parts = {name: interface_name.split(name) for name in known}
    found = [name for name, part in parts.items() if part[0].lower().startswith(kind) and part[1] == number]
    if len(found) != 1:
        raise Trouble(
            f"no interface {text} here: {', '.join(known)}" if not found else f"{text}: {' or '.join(found)}?"
        )
    return found[0]


def capture(lab: Running, router: str, interface: str) -> int:
    """Write packets until interrupted, until the reader goes away, or until the interface does. Raises Trouble."""
    if sys.stdout.isatty():
        raise Trouble(f"packets are not for a terminal: iosish lab capture {router} {interface} | wireshark -k -i -")
    routers = ask_lab(lab, "status")["routers"]
    name = next((each for each in routers if each.lower() == router.lower()), None)
    if name is None:
        raise Trouble(f"there is no router {router} in this lab: {', '.join(routers)}")
    chosen = full_name(interface, list(routers[name]["interfaces"]))
    enter(lab, routers[name]["namespace"])
    with _listen(device_name(chosen)) as tap, contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        out = sys.stdout.buffer
        out.write(pcapng.header([pcapng.Interface(f"{name} {interface_name.short(chosen)}", snap_length=SNAP_LENGTH)]))
        out.flush()
        _copy(tap, out.fileno())
    os._exit(0)  # without a flush into a pipe that may be closed


def _listen(device: str) -> socket.socket:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        with contextlib.suppress(OSError):
            tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        tap.bind((device, ETH_P_ALL))
    except OSError as error:
        tap.close()
        raise Trouble(f"{device} cannot be captured: {error.strerror}") from None
    return tap


def _copy(tap: socket.socket, out: int) -> None:
    """Until the reader of `out` goes away or the device does. A packet is written as soon as no other waits."""
    batch: list[bytes] = []
    size = 0
    while True:
        try:
            data, ancillary, _, address = tap.recvmsg(SNAP_LENGTH, 64, socket.MSG_DONTWAIT if batch else 0)
        except BlockingIOError:
            _write(out, b"".join(batch))
            batch, size = [], 0
            continue
        except OSError:  # the device went away, or down
            if _is_gone(tap):
                return
            continue
        direction = pcapng.OUTBOUND if address[2] == PACKET_OUTGOING else pcapng.INBOUND
        batch.append(pcapng.packet(data, _time_ns(ancillary), direction))
        size += len(data)
        if size > 1 << 20:
            _write(out, b"".join(batch))
            batch, size = [], 0


def _write(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]


def _time_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = struct.unpack_from("=qq", data)
            return int(seconds * 1_000_000_000 + nanoseconds)
    return time.time_ns()


def _is_gone(tap: socket.socket) -> bool:
    """Whether the device a socket was bound to exists no more."""
    try:
        socket.if_nametoindex(tap.getsockname()[0])
    except OSError:
        return True
    return False
