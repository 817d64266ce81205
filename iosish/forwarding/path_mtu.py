"""What ICMP told about the way to each peer (RFC 1191): forgotten after ten minutes, as IOS does."""

from __future__ import annotations

from collections.abc import Container

PATH_MTU_AGE_S = 600.0


class PathMtus:
    """No error lowers one below `least`. Whoever teaches it sees to it that only known peers are in it."""

    __slots__ = ("_least", "_mtus")

    def __init__(self, least: int) -> None:
        self._least = least
        self._mtus: dict[bytes, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._mtus)

    def learn(self, peer: bytes, mtu: int, now: float) -> None:
        self._mtus[peer] = max(mtu, self._least), now + PATH_MTU_AGE_S

    def get(self, peer: bytes, now: float) -> int | None:
        """The largest outer packet; None when nothing is known (any more)."""
        learned = self._mtus.get(peer)
        if learned is None:
            return None
        if now < learned[1]:
            return learned[0]
        del self._mtus[peer]
        return None

    def keep(self, peers: Container[bytes]) -> None:
        """Forget all other peers."""
        self._mtus = {peer: learned for peer, learned in self._mtus.items() if peer in peers}

    def forget(self, peer: bytes) -> None:
        self._mtus.pop(peer, None)
