"""Two hosts on a cable: what is near, and what is far."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.user_plane.node import Namespace, cabled

NEAR, FAR = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def ends() -> Iterator[tuple[Namespace, Namespace]]:
    """The near namespace, whose eth0 is the router's to address, and the far one, whose eth0 has its address."""
    with Namespace() as near, Namespace() as far, cabled((near, "eth0"), (far, "eth0")):
        far.ip("addr", "add", f"{FAR}/24", "dev", "eth0")
        for space in (near, far):
            space.ip("link", "set", "eth0", "up")
        yield near, far
