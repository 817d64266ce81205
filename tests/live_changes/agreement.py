"""What a router shows and what its kernel has, in the same words: where they differ, one of them is wrong."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from iosish.lab import namespaces
from iosish.lab.places import namespace
from iosish.plane.device_name import device_name
from iosish.plane.user.tap import adjacency_of
from tests.live.lab import Lab

_SHOWN = ("show ip interface", "show tunnel endpoints", "show ip nhrp", "show ip route")
_KERNEL = (
    "ip -j link show; echo; ip -j -4 addr show; echo; ip -j -4 neigh show nud permanent; echo; ip -j -4 route show"
)
_INTERFACE = re.compile(r"^(\S+) is (?:up|down|administratively down), line protocol is (up|down)$", re.MULTILINE)
_ADDRESS = re.compile(r"^  (?:Internet|Secondary) address (?:is )?(\S+/\d+)", re.MULTILINE)
_MTU = re.compile(r"^  MTU is (\d+) bytes", re.MULTILINE)
_TUNNEL = re.compile(r"^ (\S+) running in (\S+) mode", re.MULTILINE)
_ENDPOINT = re.compile(r"^ Endpoint transport (\S+) .*Base 0x(\w+)|^   overlay (\S+) ", re.MULTILINE)
_ENTRY = re.compile(
    r"^(\S+)/32.*\n +(\S+) created .*\n +Type: (\w+), Flags: (.*)(?:\n +NBMA address: (\S+))?", re.MULTILINE
)
_SUBNETTED, _ROUTE = re.compile(r"^ +\S+/(\d+) is subnetted"), re.compile(r"^[CS]\*? +(\d\S+) (?!.*Loopback)")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Lines that are the same where all is well: `shown` by the console, `kernel` in the namespace. `mappings` are the
    NHRP entries of others on multipoint tunnels that are up, `endpoints` what the forwarder was told of them."""

    shown: frozenset[str]
    kernel: frozenset[str]
    mappings: frozenset[str]
    endpoints: frozenset[str]

    def differences(self) -> list[str]:
        pairs = (
            ("shown, not in the kernel", self.shown - self.kernel),
            ("in the kernel, not shown", self.kernel - self.shown),
            ("mapped, not told to the forwarder", self.mappings - self.endpoints),
            ("told to the forwarder, not mapped", self.endpoints - self.mappings),
        )
        return [f"{what}: {line}" for what, lines in pairs for line in sorted(lines)]


def look(lab: Lab, router: str) -> Agreement:
    interfaces, endpoints, mappings, routes = (lab.look(router, command) for command in _SHOWN)
    devices = {device_name(name): up == "up" for name, up in _INTERFACE.findall(interfaces)}
    shown, told = {*_interfaces(interfaces), *_routes(routes)}, set()
    entries = [found for found in _ENTRY.findall(mappings) if "local" not in found[3]]
    asked = {(tunnel, address) for address, tunnel, kind, _, _ in entries if kind == "incomplete"}
    multipoint = set()
    for tunnel, mode, peers in _sections(_TUNNEL, endpoints):
        nbma = index = ""
        if mode == "multi-GRE/IP" and devices.get(tunnel):
            multipoint.add(tunnel)
        for endpoint, number, overlay in _ENDPOINT.findall(peers):
            if endpoint:
                nbma, index = endpoint, str(int(number, 16))
            else:
                shown.add(f"neighbor {overlay} of {tunnel} at adjacency {index}")
                if (tunnel, overlay) not in asked:  # packets go by the server meanwhile
                    told.add(f"{overlay} of {tunnel} at {nbma}")
    mapped = {
        f"{address} of {tunnel} at {nbma}" for address, tunnel, _, _, nbma in entries if nbma and tunnel in multipoint
    }
    return Agreement(frozenset(shown), frozenset(_kernel(lab, router, devices)), frozenset(mapped), frozenset(told))


def _sections(head: re.Pattern[str], screen: str) -> Iterator[tuple[str, str, str]]:
    """What the two groups of each head say, and the text below it."""
    heads = list(head.finditer(screen))
    for found, following in zip(heads, [*heads[1:], None], strict=True):
        yield found[1], found[2], screen[found.end() : following.start() if following else None]


def _interfaces(screen: str) -> Iterator[str]:
    for name, protocol, rest in _sections(_INTERFACE, screen):
        device = device_name(name)
        yield f"{device} is {protocol}"
        for address in _ADDRESS.findall(rest):
            yield f"{device} has {address}"
        for mtu in _MTU.findall(rest) if _has_mtu(device) else ():
            yield f"{device} has MTU {mtu}"


def _routes(screen: str) -> Iterator[str]:
    """Of connected networks and static ones; below a heading that has it, they are without their length.

    The kernel has that of a loopback's only address among its local routes.
    """
    length = ""
    for line in screen.split("\n"):
        if found := _SUBNETTED.match(line):
            length = found[1]
        elif found := _ROUTE.match(line):
            yield f"route {found[1] if '/' in found[1] else f'{found[1]}/{length}'}"


def _has_mtu(device: str) -> bool:
    """A loopback shows IOS's, and nothing is ever too long for it."""
    return not device.startswith("Lo")


def _kernel(lab: Lab, router: str, devices: dict[str, bool]) -> Iterator[str]:
    where = namespaces.NETNS / namespace(lab.name, router)
    done = subprocess.run(
        ["nsenter", f"--net={where}", "sh", "-c", _KERNEL], check=True, capture_output=True, text=True
    )
    links, addresses, neighbours, routes = (json.loads(part or "[]") for part in done.stdout.split("\n\n"))
    for link in links:
        if link["ifname"] in devices:
            yield f"{link['ifname']} is {'up' if {'UP', 'LOWER_UP'} <= set(link['flags']) else 'down'}"
            if _has_mtu(link["ifname"]):
                yield f"{link['ifname']} has MTU {link['mtu']}"
    for link in addresses:
        if link["ifname"] in devices:
            for address in link["addr_info"]:
                yield f"{link['ifname']} has {address['local']}/{address['prefixlen']}"
    for neighbour in neighbours:
        if neighbour["dev"] in devices:
            adjacency = adjacency_of(bytes.fromhex(neighbour["lladdr"].replace(":", "")))
            yield f"neighbor {neighbour['dst']} of {neighbour['dev']} at adjacency {adjacency}"
    for route in routes:
        if route.get("type") != "blackhole" or route.get("metric") is None:
            network = "0.0.0.0/0" if route["dst"] == "default" else route["dst"]
            yield f"route {network if '/' in network else f'{network}/32'}"
