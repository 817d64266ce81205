"""The patch panel: where a lab's cables come together.

A network namespace of its own, without a name, that ends with the lab's parent. From each port of a router a veth
pair leads here, and here a bridge is a cable: to move a plug is to change the bridge of its end, to pull it is to take
that end down, so that the router sees its carrier go.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

from iosish.lab import namespaces, rtnetlink
from iosish.lab.topology import Cable, End
from iosish.plane.device_name import device_name

#: The panel passes what any router's own MTU lets out.
PANEL_MTU = 9216


def mac_of(seed: str, end: End) -> bytes:
    """A router's MAC address: its own for each port, and the same again after a restart."""
    digest = hashlib.sha256("\0".join((seed, *end)).encode()).digest()
    return b"\x0a" + digest[:5]


class Panel:
    """Not for use after `close`. Methods raise OSError when the kernel refuses."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        with namespaces.fresh() as self._descriptor:
            self._netlink = rtnetlink.Netlink()
        self._plugs: dict[End, str] = {}
        self._bridges: dict[str, tuple[str, int]] = {}
        self._at: dict[End, str | None] = {}
        self._up: dict[End, bool] = {}
        self._number = 0

    def close(self) -> None:
        self._netlink.close()
        with suppress(OSError):
            os.close(self._descriptor)

    def _next(self, letter: str) -> str:
        self._number += 1
        return f"{letter}{self._number}"

    def put(self, ends: Iterable[End], into: Mapping[str, int]) -> None:
        """Make the devices of ports that have none yet; `into` gives the namespace of each router."""
        new = [end for end in ends if end not in self._plugs]
        plugs = {end: self._next("p") for end in new}
        answers = self._netlink.request(
            [
                rtnetlink.add_veth(
                    plug, PANEL_MTU, device_name(interface), into[router], mac_of(self._seed, (router, interface))
                )
                for (router, interface), plug in plugs.items()
            ]
        )
        refused = [answer for answer in answers if answer is not None]
        self._plugs.update({end: plugs[end] for end, answer in zip(new, answers, strict=True) if answer is None})
        if refused:
            raise refused[0]

    def take(self, ends: Iterable[End]) -> None:
        """Remove the devices of ports."""
        requests = []
        for end in ends:
            if end in self._plugs:
                requests.append(rtnetlink.delete(self._plugs.pop(end)))
                self._at.pop(end, None)
                self._up.pop(end, None)
        self._netlink.request(requests)  # one whose namespace has ended is gone already

    def ends(self) -> set[End]:
        """The ports that have a device."""
        return set(self._plugs)

    def arrange(self, cables: Iterable[Cable], pulled: frozenset[End] = frozenset()) -> None:
        """Lay the cables: only what differs is touched. Ports on no cable, and pulled ones, have no carrier."""
        wanted = {end: cable.name for cable in cables for end in cable.ends if end in self._plugs}
        self._add_bridges(set(wanted.values()) - set(self._bridges))
        requests = []
        for end, plug in self._plugs.items():
            name = wanted.get(end)
            up = name is not None and end not in pulled
            if not up and self._up.get(end):
                requests.append(rtnetlink.set_up(plug, False))
            if self._at.get(end) != name:
                requests.append(rtnetlink.set_master(plug, self._bridges[name][1] if name else 0))
            if up and not self._up.get(end):
                requests.append(rtnetlink.set_up(plug, True))
            self._at[end], self._up[end] = name, up
        for name in set(self._bridges) - set(wanted.values()):
            requests.append(rtnetlink.delete(self._bridges.pop(name)[0]))
        self._netlink.demand(requests)

    def _add_bridges(self, names: Iterable[str]) -> None:
        made = {name: self._next("b") for name in names}
        if made:
            self._netlink.demand([rtnetlink.add_bridge(device) for device in made.values()])
            index = self._netlink.links()
            self._bridges.update({name: (device, index[device]) for name, device in made.items()})
