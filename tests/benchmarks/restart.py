"""A thousand encrypted spokes in memory that come back at once after a hub restart, and what such a hub costs then.

All routers run in one process on one simulated clock; the hub needs 4 ms for each batch of Diffie-Hellman, as a machine
of today does. CPU time is that of both ends.
"""

from __future__ import annotations

import gc
import resource
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from iosish import resources
from iosish.cli.grammar import Grammar
from iosish.cli.grammar import load as load_grammar
from iosish.cli.load import load
from iosish.config.model import Config
from iosish.plane.memory.world import World
from iosish.show import crypto_engine, crypto_ipsec, crypto_isakmp, crypto_session, dmvpn, nhrp
from iosish.sim.node import Node
from iosish.snapshot import InterfaceState, Snapshot
from tests.benchmarks.figure import Figure, taken_s
from tests.simulation.star import Star

SPOKES = 1000
OFF_S = 10.0
HUB_THINKS_S = 0.004
SHOWS: dict[str, Callable[[Snapshot], str]] = {
    "show crypto isakmp sa": crypto_isakmp.sa,
    "show crypto ipsec sa": crypto_ipsec.sa,
    "show crypto session": crypto_session.session,
    "show crypto session detail": lambda snapshot: crypto_session.session(snapshot, detail=True),
    "show crypto engine connections active": crypto_engine.connections,
    "show crypto sockets": crypto_engine.sockets,
    "show dmvpn": dmvpn.dmvpn,
    "show dmvpn detail": lambda snapshot: dmvpn.dmvpn(snapshot, detail=True),
    "show ip nhrp": nhrp.nhrp,
}


def measure() -> Iterator[Figure]:
    grammar = load_grammar(resources.folder("grammar"))
    star = Star(World(1), reader(grammar), SPOKES, hub_thinks_s=HUB_THINKS_S)
    began = time.process_time()
    first = _up(star)
    cpu_ms = (time.process_time() - began) * 1000 / SPOKES
    yield Figure(f"{SPOKES} encrypted spokes up from power-on", first, 30.0)
    yield Figure("CPU for each of them, both ends, all of it", cpu_ms, 20.0, "ms")
    star.world.run_until(star.world.now + 60.0)
    star.hub_off()
    star.world.run_until(star.world.now + OFF_S)
    star.hub_on()
    yield Figure(f"{SPOKES} encrypted spokes back after a hub restart", _up(star), 30.0)
    yield Figure("exchanges given up meanwhile", sum(star.given_up().values()), 1, "")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield Figure("all routers together, resident", peak, 300.0, "MiB")
    yield from _hub(star.hub)
    yield Figure("that hub's own memory", _hub_memory(grammar), 30.0, "MiB")


def reader(grammar: Grammar) -> Callable[[str], Config]:
    def read(text: str) -> Config:
        loaded = load(grammar, text)
        if loaded.refused():
            raise SystemExit(f"refused: {loaded.refused()[0]}")
        return loaded.config

    return read


def _up(star: Star) -> float:
    seconds = star.all_up_within(300.0)
    if seconds is None:
        raise SystemExit(f"only {star.registered()} of {SPOKES} spokes came up")
    return seconds


def _hub(hub: Node) -> Iterator[Figure]:
    config = hub.router.config
    changes = {"a description": replace(config, interfaces=dict(config.interfaces)), "nothing": config}
    tunnel = config.interfaces["Tunnel0"]
    changes["a description"].interfaces["Tunnel0"] = replace(tunnel, description="changed")  # type: ignore[index] # our own dict
    for what, changed in changes.items():
        yield Figure(f"commit of {what} at that hub", taken_s(lambda changed=changed: hub.configure(changed)), 0.2)  # type: ignore[misc] # a default binds the loop's value
    snapshot = _snapshot(hub)
    yield Figure("a snapshot of that hub", taken_s(lambda: _snapshot(hub), 3), 0.2)
    for command, show in SHOWS.items():
        if len(show(snapshot).splitlines()) < SPOKES:
            raise SystemExit(f"{command} does not show all")
        yield Figure(command, taken_s(lambda show=show: show(snapshot), 3), 0.5)  # type: ignore[misc] # a default binds the loop's value


def _snapshot(hub: Node) -> Snapshot:
    router, now, wall = hub.router, hub.world.now, datetime.now(UTC)
    interfaces = {
        name: InterfaceState(name, status.admin_up, status.line_up, source=status.source, changed_at=0.0)
        for name, status in router.statuses.items()
    }
    return Snapshot(
        config=router.config,
        now=now,
        wall=wall,
        clock_authoritative=True,
        started_at=0.0,
        started_wall=wall,
        plane="memory",
        kernel="",
        memory_kb=0,
        desired=router.desired,
        interfaces=interfaces,
        nhrp=router.nhrp_state(now),
        ike=router.ike_state(now),
        sas=hub.plane.read_counters().sas,
        sockets=dict(router.sockets),
    )


def _hub_memory(grammar: Grammar) -> float:
    """MiB that are left when all but the hub is taken away."""
    tracemalloc.start()
    star = Star(World(1), reader(grammar), SPOKES, hub_thinks_s=HUB_THINKS_S)
    _up(star)
    hub = star.hub
    while star.spokes:
        star.spokes.pop().power_off()
    star.world.run_until(star.world.now + 2.0)  # until nothing of theirs is to come
    star.internet = None  # type: ignore[assignment] # it holds the spokes' cables
    gc.collect()
    with_hub = tracemalloc.get_traced_memory()[0]
    if len(hub.router.ike_state(hub.world.now).flows) < SPOKES:
        raise SystemExit("the hub has lost spokes before it was measured")
    hub.power_off()
    star = None  # type: ignore[assignment] # nothing is left of it
    del hub
    gc.collect()
    without = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (with_hub - without) / 2**20
