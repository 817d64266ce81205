"""`clear ...`: what reaches the router, and what counters show afterwards."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from iosish.desired import PlaneCounters
from iosish.forwarding.tables import InterfaceCounters
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.runtime.counting import Counting
from tests.terminal.shipped import ShippedRouter, console

PEER, INSIDE = IPv4Address("172.16.25.2"), IPv4Address("192.168.0.2")


@pytest.mark.parametrize(
    ("typed", "what", "arguments"),
    [
        ("clear crypto sa", "crypto sa", {"peer": None}),
        ("clear crypto sa peer 172.16.25.2", "crypto sa", {"peer": PEER}),
        ("clear crypto sa counters", "crypto counters", {}),
        ("cle cry isa", "crypto isakmp", {"connection": None}),
        ("clear crypto isakmp 1002", "crypto isakmp", {"connection": 1002}),
        ("clear ip nhrp", "nhrp", {"address": None}),
        ("clear ip nhrp 192.168.0.2", "nhrp", {"address": INSIDE}),
        ("clear ip nhrp counters", "nhrp counters", {"interface": None}),
        ("clear ip nhrp count int tu0", "nhrp counters", {"interface": "Tunnel0"}),
        ("clear dmvpn session", "dmvpn", {"interface": None, "nbma": None, "inside": None, "static": False}),
        (
            "clear dmvpn session static interface tunnel 0 peer nbma 172.16.25.2",
            "dmvpn",
            {"interface": "Tunnel0", "nbma": PEER, "inside": None, "static": True},
        ),
        (
            "clear dmvpn session peer tunnel 192.168.0.2",
            "dmvpn",
            {"interface": None, "nbma": None, "inside": INSIDE, "static": False},
        ),
        ("clear crypto session", "crypto session", {"remote": None}),
        ("clear crypto session remote 172.16.25.2", "crypto session", {"remote": PEER}),
    ],
)
def test_it_reaches_the_router(typed: str, what: str, arguments: dict[str, Any]) -> None:
    router = ShippedRouter()
    console(f"{typed}\r", router)
    assert router.cleared == [(what, arguments)]


@pytest.mark.parametrize("typed", ["clear crypto", "clear crypto sa peer", "clear crypto session remote"])
def test_it_wants_to_be_complete(typed: str) -> None:
    router = ShippedRouter()
    assert "% Incomplete command." in console(f"{typed}\r", router)
    assert router.cleared == []


def test_cleared_sa_counters_start_anew_but_not_what_the_sa_may_still_carry() -> None:
    key, later = SaKey(7, True, PEER), SaKey(8, True, PEER)
    counting, counted = Counting(), SaCounters(packets=10, octets=900, sequence=11, replay_errors=2)
    counting.clear_sas(PlaneCounters(sas={key: counted}))
    counted.packets, counted.octets, counted.sequence, counted.integrity_errors = 15, 1400, 16, 1
    assert counting.sas({key: counted, later: SaCounters(packets=3)}) == {
        key: SaCounters(packets=5, octets=1400, sequence=16, integrity_errors=1),
        later: SaCounters(packets=3),
    }
    assert counting.sas({}) == {}
    assert counting.sas({key: counted}) == {key: counted}


def test_cleared_interface_counters_start_anew_but_the_last_packet_stays() -> None:
    counting, counted = Counting(), InterfaceCounters(packets_in=10, bytes_in=900, last_in=5.0)
    counting.clear(["Tunnel0", "Tunnel1"], PlaneCounters({"Tunnel0": counted}), 7.0)
    counted.packets_in, counted.last_in = 12, 9.0
    assert counting.interface("Tunnel0", {"Tunnel0": counted}) == InterfaceCounters(packets_in=2, last_in=9.0)
    assert counting.interface("Tunnel1", {}) == InterfaceCounters()
    assert counting.cleared_at == {"Tunnel0": 7.0, "Tunnel1": 7.0}
