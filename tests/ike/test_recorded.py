"""Everything that was on the wire, sent again at every later moment: to whom it was for and to who sent it, in any
order, from where it came and from elsewhere. What works goes on, and nothing is left of it."""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from iosish.engine import UdpDatagram
from iosish.ike.config import Keepalive
from tests.ike.link import HUB, OTHER, SPOKE, Station, World, config, usable

PERIODIC = Keepalive(10, 2, periodic=True)


class Recorder:
    """On the wire between two stations. Before each message all earlier ones are heard again by both ends."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.recorded: list[UdpDatagram] = []
        self.octets_in = self.octets_out = 0
        self._replaying = False
        world.rules.append(self._hear)

    def _hear(self, datagram: UdpDatagram) -> UdpDatagram | None:
        if self._replaying:
            self.octets_out += len(datagram.payload)
            return datagram
        self.replay()
        self.recorded.append(datagram)
        return datagram

    def replay(self) -> None:
        self._replaying = True
        for datagram in self.chance.sample(self.recorded, len(self.recorded)):
            there = replace(
                datagram,
                local=datagram.peer,
                local_port=datagram.peer_port,
                peer=datagram.local,
                peer_port=datagram.local_port,
            )
            for copy in (
                there,
                replace(datagram),  # back to its sender, as if the peer had sent it
                replace(there, peer_port=1024 + self.chance.randrange(60000)),
                replace(there, local_port=4500, peer_port=4500),
                replace(there, peer=OTHER),
                replace(there, payload=there.payload[:8] + bytes(8) + there.payload[16:]),
            ):
                self.octets_in += len(copy.payload)
                station = self.world.stations[copy.local]
                station.engine.receive(copy, self.world.now)
                station.engine.wake(self.world.now)
                station.collect()
        self._replaying = False


def live(world: World, hub: Station, spoke: Station) -> None:
    """What two routers do in their lives."""
    spoke.request(HUB)
    world.run(2)
    assert usable(world, HUB, SPOKE)
    world.run(25)  # DPD both ways
    hub.engine.clear_sa(None, world.now)
    hub.request(SPOKE)
    world.run(5)
    assert usable(world, HUB, SPOKE)
    spoke.engine.clear_isakmp(None, world.now)
    world.run(10)
    assert usable(world, HUB, SPOKE)
    world.run(110)  # a rekey
    assert usable(world, HUB, SPOKE)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("changes", [{"keepalive": PERIODIC}, {"pfs": 2}, {"udp_forced": True, "keepalive": PERIODIC}])
def test_what_was_recorded_changes_nothing(changes: dict[str, object], seed: int) -> None:
    ends: dict[bool, list[object]] = {}
    for attacked in (False, True):
        world = World(seed)
        hub, spoke = (world.add(end, config(end, lifetime_s=120, **changes)) for end in (HUB, SPOKE))
        recorder = Recorder(world, seed) if attacked else None
        live(world, hub, spoke)
        if recorder is not None:
            recorder.replay()
            assert recorder.octets_out <= recorder.octets_in / 2
            world.rules.clear()
        world.run(70)  # what is half done ends
        assert usable(world, HUB, SPOKE)
        ends[attacked] = [
            hub.flow_events,
            spoke.flow_events,
            [state.split()[:2] for station in (hub, spoke) for state in station.states() if "deleted" not in state],
            [(sa.local_port, sa.peer_port) for station in (hub, spoke) for sa in station.engine._core.sas],
            [len(station.sas) for station in (hub, spoke)],
        ]
    assert ends[True] == ends[False]


@pytest.mark.parametrize("address", [HUB, SPOKE])
def test_what_was_recorded_long_ago_changes_nothing_either(address: IPv4Address) -> None:
    """However many exchanges lie between."""
    world = World()
    hub, spoke = (world.add(end, config(end, keepalive=PERIODIC)) for end in (HUB, SPOKE))
    spoke.request(HUB)
    world.run(3600 * 3)
    recorded = list(world.carried)
    events = [list(station.flow_events) for station in (hub, spoke)]

    def working() -> list[object]:
        sas = world.stations[address].engine._core.sas
        return [(sa.peer_port, sa.heard_at, sa.dpd_seen) for sa in sas if sa.up_at is not None]

    before = working()
    sent = len(world.carried)
    for message in recorded:
        ports = 4500, 31000
        for copy in (
            UdpDatagram(message.peer, ports[0], message.local, ports[1], message.payload),
            UdpDatagram(message.local, ports[0], message.peer, ports[1], message.payload),
        ):
            if copy.local == address:
                world.stations[address].engine.receive(copy, world.now)
                world.stations[address].collect()
    assert working() == before
    world.run(8)
    assert len(world.carried) - sent < 10
    assert [list(station.flow_events) for station in (hub, spoke)] == events
    assert usable(world, HUB, SPOKE)
