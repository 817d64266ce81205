"""Many raw packets in one call of the kernel, on the loopback of a namespace."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from iosish.plane.user.many import SLOTS, Sender
from tests.user_plane.node import Namespace
from tests.user_plane.test_live_wire import inside

pytestmark = pytest.mark.live

_EXPERIMENT = 253  # RFC 3692
HERE, NOWHERE = bytes((127, 0, 0, 1)), bytes((198, 51, 100, 1))
SIZE = 100


@pytest.fixture
def raw() -> Iterator[socket.socket]:
    """Hears what it sends."""
    with Namespace() as space:
        own = inside(space, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, _EXPERIMENT))
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        own.settimeout(5.0)
        with closing(own):
            yield own


@pytest.mark.parametrize("number", [1, 44, SLOTS, SLOTS + 3])
@pytest.mark.parametrize("last", [SIZE, 7])
def test_a_block_leaves_in_packets_of_one_size_and_a_shorter_one(raw: socket.socket, number: int, last: int) -> None:
    packets = [bytes((at & 0xFF,)) * SIZE for at in range(number - 1)] + [b"\xff" * last]
    sender, sent = Sender(), 0
    while sent < number:
        went = sender.send(raw.fileno(), HERE, b"".join(packets), SIZE, sent)
        assert went == min(number - sent, SLOTS)
        sent += went
    assert [raw.recv(2000)[20:] for _ in packets] == packets


def test_the_first_that_is_refused_says_why(raw: socket.socket) -> None:
    with pytest.raises(OSError) as refused:
        Sender().send(raw.fileno(), NOWHERE, bytes(3 * SIZE), SIZE, 0)
    assert refused.value.errno == errno.ENETUNREACH
