"""Every screen of every router of the show tests, read by each client once a session."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest

from iosish.show import (
    adjacency,
    arp,
    clock,
    dmvpn,
    interfaces,
    inventory,
    ip_interface,
    ip_route,
    logging,
    nhrp,
    users,
    version,
)
from iosish.snapshot import Snapshot
from tests.clients.environment import Unavailable, ask
from tests.show.routers import ROUTERS

SCREENS: dict[str, Callable[[Snapshot], str]] = {
    "show dmvpn": dmvpn.dmvpn,
    "show dmvpn interface Tunnel10": lambda snapshot: dmvpn.dmvpn(snapshot, interface="Tunnel10"),
    "show ip nhrp": lambda snapshot: nhrp.nhrp(snapshot, static=True, dynamic=True),
    "show ip nhrp detail": lambda snapshot: nhrp.nhrp(snapshot, detail=True, static=True, dynamic=True),
    "show ip nhrp nhs": nhrp.nhs,
    "show ip nhrp nhs detail": lambda snapshot: nhrp.nhs(snapshot, detail=True),
    "show ip nhrp traffic": nhrp.traffic,
    "show ip nhrp summary": nhrp.summary,
    "show interfaces": interfaces.interfaces,
    "show interfaces description": interfaces.description,
    "show ip interface": ip_interface.ip_interface,
    "show ip interface brief": ip_interface.brief,
    "show ip route": ip_route.ip_route,
    "show ip route 10.9.0.5": lambda snapshot: ip_route.ip_route(snapshot, address=IPv4Address("10.9.0.5")),
    "show ip route summary": ip_route.summary,
    "show version": version.version,
    "show clock": clock.clock,
    "show users": users.users,
    "show arp": arp.arp,
    "show ip arp": arp.arp,
    "show adjacency": adjacency.adjacency,
    "show adjacency detail": lambda snapshot: adjacency.adjacency(snapshot, detail=True),
    "show logging": logging.logging,
    "show inventory": inventory.inventory,
}

#: (router, command) to what the client made of the text.
Read = Callable[[str, str], Any]


def _reader(client: str, **fixed: str) -> Read:
    places = [(router, command) for router in ROUTERS for command in SCREENS]
    snapshots = {router: build() for router, build in ROUTERS.items()}
    try:
        answers = ask(
            client,
            [{"command": command, "text": SCREENS[command](snapshots[router]), **fixed} for router, command in places],
        )
    except Unavailable as reason:
        pytest.skip(str(reason))
    read = dict(zip(places, answers, strict=True))

    def answer(router: str, command: str) -> Any:
        found = read[router, command]
        assert not isinstance(found, str), f"{client} cannot read {command} of {router}: {found}"
        return found

    return answer


@pytest.fixture(scope="session")
def ntc() -> Read:
    return _reader("ntc")


@pytest.fixture(scope="session")
def genie() -> Read:
    """Genie as `os: iosxe`, where it has parsers for all of these."""
    return _reader("genie", os="iosxe")


@pytest.fixture(scope="session")
def genie_ios() -> Read:
    return _reader("genie", os="ios")
