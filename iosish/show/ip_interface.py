"""`show ip interface` and `show ip interface brief`."""

from __future__ import annotations

from collections.abc import Iterator

from iosish.show.line_state import Line, ip_mtu, lines
from iosish.show.text import page, short
from iosish.snapshot import Snapshot

HEADING = "{name} is {status}, line protocol is {protocol}"
NO_ADDRESS = "  Internet protocol processing disabled"
ADDRESS = ("  Internet address is {address}", "  Broadcast address is 255.255.255.255")
SECONDARY = "  Secondary address {address}"
DETERMINED = ("  Address determined by {by}", "  MTU is {mtu} bytes")
VRF = '  VPN Routing/Forwarding "{vrf}"'
#: What the Linux data plane does for every interface; secondary addresses and the VRF stand between the parts.
SERVICES = (
    "  Helper address is not set",
    "  Directed broadcast forwarding is disabled",
)
FEATURES = (
    "  Outgoing access list is not set",
    "  Inbound  access list is not set",
    "  Proxy ARP is disabled",
    "  Local Proxy ARP is disabled",
    "  Security level is default",
    "  Split horizon is enabled",
    "  ICMP redirects are {redirects} sent",
    "  ICMP unreachables are always sent",
    "  ICMP mask replies are never sent",
    "  IP fast switching is disabled",
    "  IP Flow switching is disabled",
    "  IP CEF switching is disabled",
)
MORE_FEATURES = (
    "  IP multicast fast switching is disabled",
    "  IP route-cache flags are None",
    "  Router Discovery is disabled",
    "  IP output packet accounting is disabled",
    "  IP access violation accounting is disabled",
    "  TCP/IP header compression is disabled",
    "  RTP/IP header compression is disabled",
    "  Probe proxy name replies are disabled",
    "  Policy routing is disabled",
    "  Network address translation is disabled",
    "  BGP Policy Mapping is disabled",
)

BRIEF_COLUMNS = "Interface                  IP-Address      OK? Method Status                Protocol"
BRIEF_ROW = "{name:<26} {address:<15} YES {method:<6} {status:<21} {protocol:<8}"
BRIEF_NAME_LENGTH = 26


def ip_interface(snapshot: Snapshot, interface: str | None = None) -> str:
    """`show ip interface [X]`."""
    return page(text for line in lines(snapshot, interface) for text in _interface(snapshot, line))


def brief(snapshot: Snapshot, interface: str | None = None) -> str:
    """`show ip interface brief [X]`. Method: `NVRAM` from the startup-config, `manual` typed since, `unset` without."""
    rows = [
        BRIEF_ROW.format(
            name=line.name if len(line.name) <= BRIEF_NAME_LENGTH else short(line.name),
            address="unassigned" if line.config.ip_address is None else str(line.config.ip_address.address),
            method=_method(snapshot, line),
            status=line.status,
            protocol=line.protocol,
        )
        for line in lines(snapshot, interface)
    ]
    return page([BRIEF_COLUMNS, *rows])


def _method(snapshot: Snapshot, line: Line) -> str:
    if line.config.ip_address is None:
        return "unset"
    return "NVRAM" if line.name in snapshot.from_startup else "manual"


def _interface(snapshot: Snapshot, line: Line) -> Iterator[str]:
    config = line.config
    yield HEADING.format(name=line.name, status=line.status, protocol=line.protocol)
    if config.ip_address is None:
        yield NO_ADDRESS
        return
    for text in ADDRESS:
        yield text.format(address=config.ip_address.interface)
    for text in DETERMINED:
        yield text.format(
            by="non-volatile memory" if line.name in snapshot.from_startup else "setup command",
            mtu=ip_mtu(snapshot, line),
        )
    yield from SERVICES
    for secondary in config.secondary.values():
        yield SECONDARY.format(address=secondary.interface)
    for text in FEATURES:
        yield text.format(redirects="never" if line.is_tunnel else "always")
    if config.vrf is not None:
        yield VRF.format(vrf=config.vrf)
    yield from MORE_FEATURES
