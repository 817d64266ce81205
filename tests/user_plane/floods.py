"""Floods of packets, and how many pass a device."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address


@contextmanager
def flood(namespace: str, target: IPv4Address, packets: int) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody in a namespace sends small UDP packets as fast as it can."""
    code = (
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"for _ in range({packets}):\n"
        f"    s.sendto(bytes(40), ('{target}', 9))\n"
    )
    sender = subprocess.Popen(["ip", "netns", "exec", namespace, sys.executable, "-c", code])
    try:
        yield sender
    finally:
        sender.kill()
        sender.wait()


@contextmanager
def counter(namespace: str, device: str) -> Iterator[Callable[[], int]]:
    """How many packets have passed a device, as the kernel counts them for a socket that nobody reads."""
    code = (
        "import socket, struct, sys\n"
        "s, passed = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0), 0\n"
        f"s.bind(('{device}', 3))\n"
        "for _ in sys.stdin:\n"
        "    passed += struct.unpack('=II', s.getsockopt(263, 6, 8))[0]\n"
        "    print(passed, flush=True)\n"
    )
    command = ["ip", "netns", "exec", namespace, sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        ends = process.stdin, process.stdout

        def passed() -> int:
            assert ends[0] is not None and ends[1] is not None
            print(file=ends[0], flush=True)
            return int(ends[1].readline())

        yield passed
