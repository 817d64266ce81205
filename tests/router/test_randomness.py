"""Where a live router's chance comes from: a generator that can be foretold from its nonces would give keys away."""

from __future__ import annotations

import asyncio
import random

from iosish.runtime.driver import Driver


def test_a_live_router_draws_from_the_kernel() -> None:
    async def source() -> random.Random:
        return Driver(lambda event: None, lambda: None).router.random

    assert isinstance(asyncio.run(source()), random.SystemRandom)
