"""What the other tests here lean on: a router that does not start leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.far_ends.router import Router
from tests.user_plane.node import Namespace


def test_a_router_that_does_not_start_leaves_nothing_behind(tmp_path: Path) -> None:
    router = Router(Namespace(), tmp_path, "")  # which nobody has made
    with pytest.raises(AssertionError, match="namespace"), router:
        pass
    assert not router.state.exists()
    assert router.processes() == []
