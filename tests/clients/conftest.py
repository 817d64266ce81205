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
    crypto_engine,
    crypto_ipsec,
    crypto_isakmp,
    crypto_policy,
    crypto_session,
    crypto_transforms,
    dmvpn,
    interfaces,
    inventory,
    ip_interface,
    ip_route,
    logging,
    nhrp,
    tunnel_protection,
    users,
    version,
)
from iosish.snapshot import Snapshot
from tests.clients.environment import Unavailable, ask
from tests.show.crypto_routers import CRYPTO_ROUTERS
from tests.show.routers import ROUTERS

HUB = IPv4Address("172.16.15.2")

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

CRYPTO_SCREENS: dict[str, Callable[[Snapshot], str]] = {
    "show crypto isakmp sa": crypto_isakmp.sa,
    "show crypto isakmp sa detail": lambda snapshot: crypto_isakmp.sa(snapshot, detail=True),
    "show crypto isakmp sa active": lambda snapshot: crypto_isakmp.sa(snapshot, active=True),
    "show crypto isakmp sa count": lambda snapshot: crypto_isakmp.sa(snapshot, count=True),
    f"show crypto isakmp peer {HUB}": lambda snapshot: crypto_isakmp.peers(snapshot, HUB),
    "show crypto ipsec sa": crypto_ipsec.sa,
    "show crypto ipsec sa detail": lambda snapshot: crypto_ipsec.sa(snapshot, detail=True),
    f"show crypto ipsec sa peer {HUB}": lambda snapshot: crypto_ipsec.sa(snapshot, peer=HUB),
    f"show crypto ipsec sa peer {HUB} detail": lambda snapshot: crypto_ipsec.sa(snapshot, detail=True, peer=HUB),
    "show crypto ipsec sa interface Tunnel0": lambda snapshot: crypto_ipsec.sa(snapshot, interface="Tunnel0"),
    "show crypto ipsec sa count": crypto_ipsec.count,
    "show crypto session": crypto_session.session,
    "show crypto session detail": lambda snapshot: crypto_session.session(snapshot, detail=True),
    f"show crypto session remote {HUB}": lambda snapshot: crypto_session.session(snapshot, remote=HUB),
    f"show crypto session remote {HUB} detail": lambda snapshot: crypto_session.session(
        snapshot, detail=True, remote=HUB
    ),
    f"show crypto session local {HUB}": lambda snapshot: crypto_session.session(snapshot, local=HUB),
    "show crypto session interface Tunnel0 detail": lambda snapshot: crypto_session.session(
        snapshot, detail=True, interface="Tunnel0"
    ),
    "show crypto sockets": crypto_engine.sockets,
    "show crypto isakmp default policy": crypto_policy.default_policy,
    "show crypto ipsec profile": crypto_transforms.profile,
    "show crypto map": crypto_transforms.crypto_map,
    "show tunnel protection statistics": tunnel_protection.statistics,
}

#: (router, command) to what the client made of the text.
Read = Callable[[str, str], Any]


def _reader(client: str, **fixed: str) -> Read:
    places = [(router, command) for router in ROUTERS for command in SCREENS]
    places += [(router, command) for router in CRYPTO_ROUTERS for command in CRYPTO_SCREENS]
    snapshots = {router: build() for router, build in {**ROUTERS, **CRYPTO_ROUTERS}.items()}
    screens = {**SCREENS, **CRYPTO_SCREENS}
    try:
        answers = ask(
            client,
            [{"command": command, "text": screens[command](snapshots[router]), **fixed} for router, command in places],
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
