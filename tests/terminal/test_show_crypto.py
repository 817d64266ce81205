"""Every `show crypto ...` that the grammar knows runs at the console, also before anything is configured."""

from __future__ import annotations

import pytest

from tests.terminal.shipped import ShippedRouter, console

COMMANDS = [
    "show crypto isakmp sa",
    "show crypto isakmp sa active",
    "show crypto isakmp sa count",
    "show crypto isakmp sa detail",
    "show crypto isakmp sa nat",
    "show crypto isakmp sa standby",
    "show crypto isakmp sa vrf RED",
    "show crypto isakmp policy",
    "show crypto isakmp default policy",
    "show crypto isakmp key",
    "show crypto isakmp peers",
    "show crypto isakmp peer 172.16.15.2",
    "show crypto isakmp profile",
    "show crypto isakmp profile tag HUB",
    "show crypto ipsec sa",
    "show crypto ipsec sa address",
    "show crypto ipsec sa address detail",
    "show crypto ipsec sa count",
    "show crypto ipsec sa detail",
    "show crypto ipsec sa identity",
    "show crypto ipsec sa identity detail",
    "show crypto ipsec sa interface Tunnel0 detail",
    "show crypto ipsec sa peer 172.16.15.2",
    "show crypto ipsec sa peer 172.16.15.2 detail",
    "show crypto ipsec transform-set",
    "show crypto ipsec transform-set default",
    "show crypto ipsec profile",
    "show crypto ipsec profile tag default",
    "show crypto ipsec security-association lifetime",
    "show crypto session",
    "show crypto session brief",
    "show crypto session detail",
    "show crypto session interface Tunnel0 detail",
    "show crypto session local 172.16.25.2",
    "show crypto session remote 172.16.15.2 brief",
    "show crypto engine connections active",
    "show crypto map",
    "show crypto map interface Tunnel0",
    "show crypto map tag Tunnel0-head-0",
    "show crypto sockets",
    "show dmvpn detail",
    "show tunnel protection statistics",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_it_runs(command: str) -> None:
    screen = console(f"configure terminal\rinterface Tunnel0\rend\rterminal length 0\r{command}\r", ShippedRouter())
    answer = screen.partition(f"#{command}\n")[2]
    assert "%" not in screen
    assert answer.endswith("R1#")


def test_keys_are_for_enable_mode_alone() -> None:
    screen = console("disable\rshow crypto isakmp key\rshow crypto isakmp sa\r", ShippedRouter())
    assert screen.count("% Invalid input detected") == 1
    assert "IPv4 Crypto ISAKMP SA" in screen


def test_parsers_count_lines() -> None:
    screen = console("show crypto session | count UP-ACTIVE\rshow crypto isakmp sa | count ACTIVE\r", ShippedRouter())
    assert screen.count("Number of lines which match regexp = 0") == 2
