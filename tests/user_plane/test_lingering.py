"""Adjacencies stay for a moment after they were taken away."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from iosish.forwarding.tables import Tunnel
from iosish.plane.user.lingering import LINGER_S, Lingering

OLD, NEW = IPv4Address("172.16.0.2"), IPv4Address("172.16.0.3")
CLOUD = Tunnel("Tunnel0", IPv4Address("172.16.0.1"), multipoint=True, adjacencies={7: OLD})


def test_an_old_adjacency_is_known_for_a_moment() -> None:
    lingering = Lingering()
    lingering.take({"Tunnel0": CLOUD}, 0.0)
    after = replace(CLOUD, adjacencies={8: NEW})
    lingering.take({"Tunnel0": after}, 10.0)
    assert lingering.tunnels(10.0) == {"Tunnel0": replace(CLOUD, adjacencies={8: NEW, 7: OLD})}
    assert not lingering.over(10.0)
    assert lingering.over(10.0 + LINGER_S)
    assert lingering.tunnels(10.0 + LINGER_S) == {"Tunnel0": after}
    assert not lingering.over(10.0 + LINGER_S)


def test_an_adjacency_given_anew_is_the_new_one() -> None:
    lingering = Lingering()
    lingering.take({"Tunnel0": CLOUD}, 0.0)
    lingering.take({"Tunnel0": replace(CLOUD, adjacencies={})}, 1.0)
    again = {"Tunnel0": replace(CLOUD, adjacencies={7: NEW})}
    lingering.take(again, 1.1)
    assert lingering.tunnels(1.2) == again


def test_nothing_lingers_without_its_tunnel_or_on_a_point_to_point_one() -> None:
    lingering = Lingering()
    lingering.take({"Tunnel0": CLOUD}, 0.0)
    lingering.take({"Tunnel0": replace(CLOUD, adjacencies={})}, 0.1)
    single = {"Tunnel0": replace(CLOUD, multipoint=False, adjacencies={1: NEW})}
    lingering.take(single, 0.2)
    assert lingering.tunnels(0.3) == single
    lingering.take({}, 0.4)
    assert lingering.tunnels(0.5) == {}


def test_what_lingers_is_as_protected_as_its_tunnel() -> None:
    """From the line on, whatever adjacency a packet still takes."""
    lingering = Lingering()
    lingering.take({"Tunnel0": CLOUD}, 0.0)
    line = replace(CLOUD, adjacencies={8: NEW}, crypto_map="Tunnel0-head-0")
    lingering.take({"Tunnel0": line}, 0.1)
    assert lingering.tunnels(0.2) == {"Tunnel0": replace(line, adjacencies={8: NEW, 7: OLD})}
    blocked = replace(CLOUD, adjacencies={}, local=None, blocked="no IPsec profile")
    lingering.take({"Tunnel0": blocked}, 0.3)
    now = lingering.tunnels(0.4)["Tunnel0"]
    assert (now.blocked, now.local) == ("no IPsec profile", None)
