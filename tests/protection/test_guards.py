"""What leads into a protected tunnel takes no other way while it is held down; which prefixes are guarded."""

from __future__ import annotations

import pytest

from iosish.desired import LinkState
from iosish.interfaces import evaluate
from iosish.rib import Rib
from tests.protection.conftest import Read
from tests.protection.test_held import CLASSIC

ROUTES = """\
ip route 0.0.0.0 0.0.0.0 172.16.15.1
ip route 10.1.0.0 255.255.0.0 192.168.0.2
ip route 10.2.0.0 255.255.0.0 10.1.0.9
ip route 10.3.0.0 255.255.0.0 Tunnel0
ip route 10.4.0.0 255.255.0.0 172.16.15.1
"""
HELD = "no crypto ipsec profile MyProfile\n"
SHUT = "interface Tunnel0\n shutdown\n"
CLEAR = "interface Tunnel0\n no tunnel protection\n"
CLOUD, INNER, BEHIND, DIRECT, OUTER = "192.168.0.0/24", "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"


def table(read: Read, text: str) -> Rib:
    link = LinkState("FastEthernet0/0", present=True, carrier=True)
    return evaluate(read(text), {"FastEthernet0/0": link})[1]


def ways(rib: Rib) -> dict[str, str | None]:
    """Which interface each static route leads to."""
    return {str(path.network): path.out for path in rib.all() if path.code == "S"}


@pytest.mark.parametrize("state", ["", HELD])
def test_every_prefix_that_leads_into_the_tunnel_is_guarded_up_or_down(read: Read, state: str) -> None:
    guarded = {str(network) for network in table(read, CLASSIC + ROUTES + state).guarded}
    assert guarded == {CLOUD, INNER, BEHIND, DIRECT}


@pytest.mark.parametrize("state", [SHUT, CLEAR])
def test_nothing_is_guarded_for_a_tunnel_that_was_shut_by_hand_or_is_not_protected(read: Read, state: str) -> None:
    assert not table(read, CLASSIC + ROUTES + state).guarded


def test_loopbacks_are_guarded_too_for_their_devices_go_with_the_process(read: Read) -> None:
    """What comes out of the tunnel for one that is gone would be forwarded by the default route."""
    loopbacks = (
        "interface Loopback0\n ip address 10.9.9.9 255.255.255.255\ninterface Loopback1\n ip address 10.8.0.1 {}\n"
    )
    text = CLASSIC + ROUTES + loopbacks.format("255.255.255.0")
    networks = {"10.9.9.9/32", "10.8.0.0/24"}
    assert networks <= {str(network) for network in table(read, text).guarded}
    assert networks <= {str(network) for network in table(read, text + HELD).guarded}
    assert not table(read, text + CLEAR).guarded
    assert "10.9.9.9/32" not in {
        str(network) for network in table(read, text + "interface Loopback0\n shutdown\n").guarded
    }


def test_what_would_go_into_a_held_tunnel_does_not_find_the_default_route_instead(read: Read) -> None:
    up, held = table(read, CLASSIC + ROUTES), table(read, CLASSIC + ROUTES + HELD)
    inside = dict.fromkeys((INNER, BEHIND, DIRECT), "Tunnel0")
    outside = dict.fromkeys((OUTER, "0.0.0.0/0"), "FastEthernet0/0")
    assert ways(up) == {**inside, **outside}
    assert ways(held) == outside


def test_a_tunnel_that_was_shut_by_hand_follows_the_routing_table(read: Read) -> None:
    assert ways(table(read, CLASSIC + ROUTES + SHUT))[INNER] == "FastEthernet0/0"


def test_a_backup_that_is_configured_is_taken_and_what_hangs_on_it(read: Read) -> None:
    backup = "ip route 10.1.0.0 255.255.0.0 172.16.15.1 200\n"
    held = ways(table(read, CLASSIC + ROUTES + backup + HELD))
    assert (held[INNER], held[BEHIND]) == ("FastEthernet0/0", "FastEthernet0/0")
