"""Standard output of a service, into pipes, sockets and files that somebody reads, or does not."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from iosish.runtime import standard_output
from iosish.runtime.standard_output import StandardOutput

CEILING_S = 10.0
LINE = "x" * 999


def read_all(descriptor: int) -> bytes:
    """What is there now."""
    os.set_blocking(descriptor, False)
    data = b""
    try:
        while more := os.read(descriptor, 1 << 16):
            data += more
    except BlockingIOError:
        pass
    return data


def test_a_line_is_there_at_once() -> None:
    async def run() -> None:
        read_end, write_end = os.pipe()
        output = StandardOutput(write_end, lambda lines: None)
        output.write(lambda: "one")
        assert read_all(read_end) == b"one\n"
        output.close()
        assert os.get_blocking(write_end)  # others share it

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_stands_still_costs_no_time_and_is_told_what_it_missed(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standard_output, "LIMIT_BYTES", 1 << 18)

    async def run() -> None:
        lost: asyncio.Queue[int] = asyncio.Queue()
        if kind == "pipe":
            read_end, write_end = os.pipe()
        else:
            pair = socket.socketpair()
            read_end, write_end = (one.detach() for one in pair)
        output = StandardOutput(write_end, lost.put_nowait)
        for number in range(2000):
            output.write(partial("{} {}".format, number, LINE))
        data, missed = b"", 0
        async with asyncio.timeout(CEILING_S):
            while not missed:
                data += read_all(read_end)
                if not lost.empty():
                    missed = lost.get_nowait()
                await asyncio.sleep(0)
        data += read_all(read_end)
        shown = data.decode().splitlines()
        assert len(shown) + missed == 2000 and missed > 0
        assert [int(line.split()[0]) for line in shown] == list(range(len(shown)))  # whole lines, in order
        output.close()

    asyncio.run(run())


@pytest.mark.parametrize("later", [False, True])
def test_a_reader_that_has_gone_is_harmless(later: bool) -> None:
    async def run() -> None:
        read_end, write_end = os.pipe()
        output = StandardOutput(write_end, lambda lines: None)
        if later:
            for _ in range(200):
                output.write(lambda: LINE)  # more than the pipe holds
        os.close(read_end)
        for _ in range(3):
            output.write(lambda: "too late")
            await asyncio.sleep(0)
        output.close()

    asyncio.run(run())


def test_a_file_and_no_descriptor_at_all(tmp_path: Path) -> None:
    async def run(write: Callable[[StandardOutput], None]) -> None:
        with (tmp_path / "log").open("wb") as file:
            output = StandardOutput(file.fileno(), lambda lines: None)
            write(output)
            output.close()
        closed = StandardOutput(9999, lambda lines: None)
        write(closed)
        closed.close()

    asyncio.run(run(lambda output: output.write(lambda: "one")))
    assert (tmp_path / "log").read_text() == "one\n"
