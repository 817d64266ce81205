"""The crypto sockets of a router, in IOS's sense: one for each peer that the GRE of a protected tunnel goes to.

A socket is open while IKE has SAs for its flow. What tunnels want comes in, what IKE reports goes back to the tunnels;
neither engine knows of the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Protocol

from iosish.config.interface_name import short
from iosish.engine import DebugEvent, LogEvent
from iosish.ike.config import CryptoMap
from iosish.ike.events import Flow

TOPIC = "crypto socket"


class Keys(Protocol):
    """Who makes and ends SAs: the IKE engine."""

    def request(self, flow: Flow, now: float) -> None: ...

    def release(self, flow: Flow, now: float) -> None: ...


class Tunnels(Protocol):
    """Who sends into tunnels: the NHRP engine."""

    def secured(self, interface: str, nbma: IPv4Address, up: bool, now: float) -> None: ...


class CryptoSockets:
    """Asks IKE for the flows that tunnels want, and tells tunnels of the flows that came up and went down.

    The router takes `events`, log lines, and `debugs`, those of `debug crypto socket` if `debug` wants them.
    `counts` says what became of sockets, in the words of `show tunnel protection statistics`.
    """

    def __init__(self, ike: Keys, tunnels: Tunnels) -> None:
        self.events: list[LogEvent] = []
        self.debugs: list[DebugEvent] = []
        self.debug: frozenset[str] = frozenset()
        self.counts: Counter[str] = Counter()
        self._ike = ike
        self._tunnels = tunnels
        self._maps: Mapping[str, CryptoMap] = {}
        self._tags: dict[str, str] = {}
        self._wanted: dict[str, frozenset[IPv4Address]] = {}
        self._users: dict[Flow, set[str]] = {}
        self._open: set[Flow] = set()
        self._idle: set[Flow] = set()  # whose SAs ended for want of packets: to the tunnels they are still there
        self._said: set[tuple[Flow, str]] = set()  # that the log has called up, for which tunnel

    def configure(self, maps: Mapping[str, CryptoMap], now: float) -> None:
        """Take the crypto maps that there are from now on; the sockets of others close."""
        for tag, before in self._maps.items():
            now_there = maps.get(tag)
            stays = now_there is not None and now_there.local == before.local
            for interface in before.interfaces:
                if now_there is None or not stays or interface not in now_there.interfaces:
                    self._want(interface, frozenset(), now)
                    del self._wanted[interface]
                    for flow in _in_order(flow for flow, user in self._said if stays and user == interface):
                        self._say(flow, interface, False)  # others that share it stay
            if not stays:
                for flow in _in_order(flow for flow in self._open | self._idle if flow.crypto_map == tag):
                    self.down(flow, now)
            if now_there is None:
                self.counts["Listen Stop"] += 1
        for _ in maps.keys() - self._maps.keys():
            self.counts.update(("Listen Start", "Listen Ready"))
        self._maps = maps
        self._tags = {name: tag for tag, crypto_map in maps.items() for name in crypto_map.interfaces}

    def follow(self, wanted: Mapping[str, frozenset[IPv4Address]], now: float) -> None:
        """What each protected tunnel wants from now on; the same objects as last time mean no change."""
        for interface in self._tags:
            peers = wanted.get(interface, frozenset())
            if self._wanted.get(interface) is not peers:
                self._want(interface, peers, now)

    def missed(self, interface: str, peer: IPv4Address, now: float) -> None:
        """A packet to this peer has no SA: one that ended idle is wanted again."""
        tag = self._tags.get(interface)
        if tag is not None:
            flow = Flow(tag, self._maps[tag].local, peer)
            if flow in self._users and flow not in self._open:
                self._ike.request(flow, now)

    def up(self, flow: Flow, now: float) -> None:
        """IKE has SAs for a flow, whoever asked for them."""
        if flow.crypto_map in self._maps and flow not in self._open:
            self._open.add(flow)
            self._idle.discard(flow)
            self._tell(flow, self._maps[flow.crypto_map].interfaces, True, now)

    def down(self, flow: Flow, now: float) -> None:
        """IKE has none any more."""
        if flow in self._open or flow in self._idle:
            self._open.discard(flow)
            self._idle.discard(flow)
            self._tell(flow, self._maps[flow.crypto_map].interfaces, False, now)

    def idle(self, flow: Flow) -> None:
        """IKE ended them as no packet took them: the next one has them made again, so that tunnels need not know."""
        if flow in self._open:
            self._open.discard(flow)
            self._idle.add(flow)
            self._note(flow, self._maps[flow.crypto_map].interfaces, False)

    def _want(self, interface: str, peers: frozenset[IPv4Address], now: float) -> None:
        before, self._wanted[interface] = self._wanted.get(interface, frozenset()), peers
        tag = self._tags[interface]
        local = self._maps[tag].local
        for peer in sorted(before - peers):
            flow = Flow(tag, local, peer)
            self._users[flow].discard(interface)
            if not self._users[flow]:
                del self._users[flow]
                self._idle.discard(flow)
                self.counts["Socket Close"] += 1
                self._ike.release(flow, now)
        for peer in sorted(peers - before):
            flow = Flow(tag, local, peer)
            self._users.setdefault(flow, set()).add(interface)
            if len(self._users[flow]) == 1:
                self._debug_open(flow, interface)
                self.counts["Socket Open"] += 1
                self._ike.request(flow, now)
            if flow in self._open:  # the peer was first, or another tunnel
                self._say(flow, interface, True)
                self._tunnels.secured(interface, peer, True, now)

    def _tell(self, flow: Flow, interfaces: Iterable[str], up: bool, now: float) -> None:
        self._note(flow, interfaces, up)
        for interface in interfaces:
            self._tunnels.secured(interface, flow.peer, up, now)

    def _note(self, flow: Flow, interfaces: Iterable[str], up: bool) -> None:
        self.counts["Socket Up" if up else "Socket Down"] += 1
        for interface in interfaces:
            self._debug(flow, interface, f"Sending Socket {'Up' if up else 'Down'} message")
            self._say(flow, interface, up)

    def _debug_open(self, flow: Flow, interface: str) -> None:
        ends = (f"{end} {end}/255.255.255.255/0" for end in (flow.local, flow.peer))
        where = "local {}, remote {}, prot 47".format(*ends)
        self._debug(flow, interface, f"Active open, socket info: {where}, ifc {short(interface)}")

    def _debug(self, flow: Flow, interface: str, text: str) -> None:
        if TOPIC in self.debug:
            line = f"CRYPTO_SS(TUNNEL SEC): {text}"
            self.debugs.append(DebugEvent(TOPIC, line, flow.peer, interface=interface))

    def _say(self, flow: Flow, interface: str, up: bool) -> None:
        """Once for each tunnel that a flow comes up for, and goes down for."""
        if ((flow, interface) in self._said) == up:
            return
        (self._said.add if up else self._said.discard)((flow, interface))
        state = "UP" if up else "DOWN"
        # Two blanks in front, as IOS writes it.
        text = f" {interface}: local address : {flow.local} remote address : {flow.peer} socket is {state}"
        self.events.append(LogEvent("DMVPN", 5, "CRYPTO_SS", text))


def _in_order(flows: Iterable[Flow]) -> list[Flow]:
    return sorted(flows, key=lambda flow: (flow.peer, flow.local))
