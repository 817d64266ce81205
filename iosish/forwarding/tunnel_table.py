"""All tunnels of a router, and which of them a packet that came in is for."""

from __future__ import annotations

from collections.abc import Mapping

from iosish.forwarding.protection import Protection
from iosish.forwarding.tables import InterfaceCounters, Tunnel
from iosish.forwarding.tunnel_state import TunnelState


class TunnelTable:
    """`counters` is kept per tunnel name."""

    def __init__(self) -> None:
        self.counters: dict[str, InterfaceCounters] = {}
        self._states: dict[str, TunnelState] = {}
        self._exact: dict[tuple[bytes, bytes, int | None], TunnelState] = {}
        self._multipoint: dict[tuple[bytes, int | None], TunnelState] = {}
        self._locals: dict[bytes, list[TunnelState]] = {}

    def configure(self, tunnels: Mapping[str, Tunnel], protection: Protection, now: float) -> None:
        """Take the tunnels that there are from now on; counters and learned path MTUs of those that stay are kept."""
        states: dict[str, TunnelState] = {}
        for name, tunnel in tunnels.items():
            state = self._states.get(name)
            if state is None:
                state = TunnelState(tunnel, self.counters.setdefault(name, InterfaceCounters()), now)
            elif state.tunnel != tunnel:
                state.take(tunnel)
            if tunnel.crypto_map is not None and state.local is not None:
                state.ways = protection.ways(tunnel.crypto_map, state.local)
            states[name] = state
        for gone in self._states.keys() - states.keys():
            self.counters.pop(gone, None)
        self._states = states
        self._exact, self._multipoint, self._locals = {}, {}, {}
        for state in states.values():
            if state.local is None:
                continue
            self._locals.setdefault(state.local, []).append(state)
            if state.tunnel.multipoint:
                self._multipoint.setdefault((state.local, state.tunnel.key), state)
            elif 1 in state.adjacencies:
                self._exact.setdefault((state.local, state.adjacencies[1], state.tunnel.key), state)

    def get(self, name: str) -> TunnelState | None:
        return self._states.get(name)

    def find(self, source: bytes, destination: bytes, key: int | None) -> TunnelState | None:
        """The tunnel that takes GRE with these outer addresses and this key."""
        return self._exact.get((destination, source, key)) or self._multipoint.get((destination, key))

    def near(self, source: bytes, destination: bytes) -> TunnelState | None:
        """A tunnel that would take it, had it another key."""
        for state in self._locals.get(destination, ()):
            if state.tunnel.multipoint or source in state.adjacencies.values():
                return state
        return None

    def is_local(self, address: bytes) -> bool:
        """Whether a tunnel of ours has this outer source."""
        return address in self._locals

    def learn(self, local: bytes, peer: bytes, mtu: int, now: float) -> None:
        """A path MTU, for the tunnels that send GRE in the clear to this peer and discover it."""
        for state in self._locals.get(local, ()):
            discovers = state.tunnel.path_mtu_discovery and state.tunnel.crypto_map is None
            if discovers and peer in state.adjacencies.values():
                state.path_mtus.learn(peer, mtu, now)

    def take_used(self) -> dict[str, set[bytes]]:
        used = {name: state.used for name, state in self._states.items() if state.used}
        for name in used:
            self._states[name].used = set()
        return used
