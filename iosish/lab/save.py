"""`iosish lab save DIR`: the running configurations of all routers, as files that `lab up` takes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from iosish import atomic
from iosish.lab.places import Running, Trouble, router_socket

WITHIN_S = 30.0


def save(lab: Running, folder: Path) -> list[Path]:
    """Write a file for each router; gives them. Raises Trouble."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for router in lab.routers():
            text = configuration(_ask(router_socket(lab.folder, router), "show running-config"))
            path = folder / f"{router}.cfg"
            atomic.sweep(path)
            atomic.replace(path, text.encode(), 0o644)
            written.append(path)
    except OSError as error:
        raise Trouble(f"cannot write {folder}: {error.strerror}") from None
    return written


def configuration(shown: str) -> str:
    """What `show running-config` printed, without its headings."""
    lines = shown.splitlines()
    while lines and (not lines[0].strip() or lines[0].startswith(("Building configuration", "Current configuration"))):
        del lines[0]
    return "\n".join(lines) + "\n"


def _ask(path: Path, command: str) -> str:
    """What a command prints on a router. Raises Trouble."""
    output = b""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(WITHIN_S)
            connection.connect(str(path))
            connection.sendall(json.dumps({"kind": "command"}).encode() + f"\n{command}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                output += data
    except OSError as error:
        raise Trouble(f"{path.stem} does not answer: {error}") from None
    output, nul, status = output.partition(b"\0")
    if not nul or status != b"0":
        raise Trouble(f"{path.stem} did not show its configuration")
    return output.decode(errors="replace")
