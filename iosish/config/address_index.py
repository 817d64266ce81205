"""The networks of all interfaces by mask and prefix, so that an overlap is found without a walk over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from iosish.config.model import IpAddress


class AddressIndex:
    """Which interface has which network, per VRF: `{(vrf, mask): {prefix: [(interface, address, secondary)]}}`."""

    def __init__(self, interfaces: Mapping[str, Any]) -> None:
        self._networks: dict[tuple[str | None, int], dict[int, list[tuple[str, int, bool]]]] = {}
        for name, interface in interfaces.items():
            primary: IpAddress | None = part(interface, "ip_address")
            if primary is not None:
                self.add(vrf_of(interface), name, primary, False)
            for extra in part(interface, "secondary").values():
                self.add(vrf_of(interface), name, extra, True)

    def add(self, vrf: str | None, name: str, address: IpAddress, secondary: bool) -> None:
        mask = int(address.mask)
        networks = self._networks.setdefault((vrf, mask), {})
        networks.setdefault(int(address.address) & mask, []).append((name, int(address.address), secondary))

    def overlapping(self, vrf: str | None, address: int, mask: int) -> Iterator[tuple[str, int, bool]]:
        """Interface, address and whether it is a secondary one, of every network that overlaps."""
        for (other_vrf, other_mask), networks in self._networks.items():
            if other_vrf != vrf:
                continue
            if other_mask <= mask:  # a shorter or equal prefix: ours lies within one network of it
                yield from networks.get(address & other_mask, ())
            else:
                for prefix, holders in networks.items():
                    if prefix & mask == address & mask:
                        yield from holders


def vrf_of(interface: Any) -> str | None:
    vrf: str | None = part(interface, "vrf") or part(interface, "ip_vrf")
    return vrf


def part(value: Any, name: str) -> Any:
    """A field of a frozen value or of its draft."""
    return value.get(name) if hasattr(value, "changed") else getattr(value, name)
