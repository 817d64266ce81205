"""Whatever a router's configuration was before, it wants the same of its plane, and of NHRP, as one that booted."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.config.model import Config
from iosish.desired import Desired, LinkState
from iosish.forwarding.tables import Tunnel
from iosish.plane.plan import Device, Observed
from iosish.router import Router
from tests.simulation.encrypted_lab import texts as lab_texts
from tests.simulation.encrypted_lab import with_lines
from tests.simulation.live_lines import Change, cases, second, texts
from tests.user_plane.paper_kernel import PaperKernel

ON = {router: [change for at, change in cases() if at == router] for router in ("R1", "R2")}
BASE = {router: with_lines(lab_texts()[router], second(int(router[1]))) for router in ON}


@st.composite
def lives(draw: st.DrawFn) -> tuple[str, list[list[Change]]]:
    """A router, and the changes from its first configuration that make each of those that it has one after another."""
    router = draw(st.sampled_from(sorted(ON)))
    return router, draw(st.lists(st.lists(st.sampled_from(ON[router]), max_size=4), min_size=2, max_size=4))


@given(lives())
@settings(max_examples=60)
def test_a_configuration_after_others_is_as_from_power_on(
    grammar: Grammar, life: tuple[str, list[list[Change]]]
) -> None:
    router, steps = life
    configs = [changed(grammar, router, changes) for changes in steps]
    lived, lived_kernel = after(configs)
    booted, booted_kernel = after(configs[-1:])
    assert picture(lived.desired) == picture(booted.desired)
    assert lived.statuses == booted.statuses
    assert nhrp(lived) == nhrp(booted)
    assert lived.nhrp.wanted() == booted.nhrp.wanted()
    assert in_kernel(lived_kernel.observed(), lived.desired) == in_kernel(booted_kernel.observed(), booted.desired)


def changed(grammar: Grammar, router: str, changes: Iterable[Change]) -> Config:
    config = load(grammar, BASE[router]).config
    for change in changes:
        config = load(grammar, texts(change, router)[0], config).config
    return config


def after(configs: Iterable[Config]) -> tuple[Router, PaperKernel]:
    """A router, and its kernel, that had these configurations one after another, a second each."""
    router, kernel, now = Router(random.Random(1)), PaperKernel(Device("eth0", 2, True, True, 1500)), 100.0
    for config in configs:
        router.configure(config, now)
        for name in router.config.interfaces:
            router.link_changed(LinkState(name, True, True), now)
        router.changed()
        kernel.reach(router.desired)
        assert kernel.plan(router.desired) == ()
        router.datagrams()
        router.events()
        now += 1.0
    return router, kernel


def picture(desired: Desired) -> Desired:
    """The same with adjacencies by the addresses that they lead to: their numbers are those of a life."""
    tunnels = {name: _by_address(tunnel) for name, tunnel in desired.tunnels.items()}
    neighbours = {
        (name, hop): int(desired.tunnels[name].adjacencies[index]) for (name, hop), index in desired.neighbours.items()
    }
    return replace(desired, tunnels=tunnels, neighbours=neighbours)


def _by_address(tunnel: Tunnel) -> Tunnel:
    return replace(tunnel, adjacencies={int(nbma): nbma for nbma in tunnel.adjacencies.values()})


def nhrp(router: Router) -> object:
    state = router.nhrp_state(0.0)
    return {
        name: (
            {(entry.target, entry.kind, entry.nbma, entry.flags) for entry in tunnel.entries},
            {(server.address, server.nbma, server.priority, server.cluster) for server in tunnel.nhs},
            {(entry.nbma, entry.flag) for entry in tunnel.multicast},
        )
        for name, tunnel in state.interfaces.items()
    }


def in_kernel(observed: Observed, desired: Desired) -> object:
    nbma: dict[tuple[str, IPv4Address], IPv4Address] = {
        (name, hop): desired.tunnels[name].adjacencies[index] for (name, hop), index in desired.neighbours.items()
    }
    return (
        {name: replace(device, index=0) for name, device in observed.devices.items()},
        {name: set(addresses) for name, addresses in observed.addresses.items() if addresses},
        observed.routes,
        {neighbour: nbma[neighbour] for neighbour in observed.neighbours},
        observed.guards,
        observed.missing,
    )
