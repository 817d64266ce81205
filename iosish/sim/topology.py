"""A lab in memory: configurations in, routers on wires out, cabled by their addresses as a lab of namespaces is."""

from __future__ import annotations

from collections.abc import Iterable

from iosish.config.model import Config
from iosish.lab.topology import cables, ports_of
from iosish.plane.memory.wire import Wire
from iosish.plane.memory.world import World
from iosish.sim.node import Node


class SimLab:
    """Routers by name and wires by cable name, in one world."""

    def __init__(self, world: World, configs: Iterable[Config], *, delay_s: float = 0.008, loss: float = 0.0) -> None:
        self.world = world
        by_name = {config.hostname: config for config in configs}
        self.wires: dict[str, Wire] = {}
        plugged: dict[str, dict[str, Wire]] = {name: {} for name in by_name}
        for cable in cables(port for name, config in by_name.items() for port in ports_of(name, config)):
            wire = self.wires[cable.name] = Wire(world, cable.name, delay_s=delay_s, loss=loss)
            for router, interface in cable.ends:
                plugged[router][interface] = wire
        self._plugged = plugged
        self.nodes = {name: Node(world, config, plugged[name]) for name, config in by_name.items()}

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def restart(self, name: str, off_s: float = 0.0) -> None:
        """Power off without a word, and on again: the router has its configuration, and no memory of anything else."""
        old = self.nodes[name]
        config = old.router.config
        old.power_off()
        self.world.run_until(self.world.now + off_s)
        self.nodes[name] = Node(self.world, config, self._plugged[name])

    def wire(self, one: str, other: str) -> Wire:
        """The wire between two routers. Raises KeyError."""
        for wire in self.wires.values():
            labels = {label.split()[0] for label in wire.labels}
            if {one, other} <= labels:
                return wire
        raise KeyError(f"no wire between {one} and {other}")
