"""What the forwarding rules tell of SAs at once, held to a rate: senders can be forged, and packets are many."""

from __future__ import annotations

from iosish.forwarding.protection import EspRefused
from iosish.forwarding.rules import Forwarder
from iosish.rate_limit import RateLimit

#: A missing SA is told again for each tunnel and peer after a second, while packets still want it.
MISSED_PER_S = 1.0
#: The same refusal of the same sender is told again after so long.
REFUSED_AGAIN_S = 10.0
#: All refusals together, whoever sent them.
REFUSED_BURST = 16
REFUSED_PER_S = 4.0
KEYS = 1024


class SaNotices:
    """Takes what is new from `rules`, and gives what is worth telling."""

    def __init__(self, rules: Forwarder) -> None:
        self._rules = rules
        self._missed = RateLimit(1, MISSED_PER_S, KEYS)
        self._refused = RateLimit(1, 1 / REFUSED_AGAIN_S, KEYS)
        self._all_refused = RateLimit(REFUSED_BURST, REFUSED_PER_S, 1)

    def missed(self, now: float) -> list[tuple[str, bytes]]:
        """Tunnel and NBMA address for which packets want an SA."""
        missed = self._rules.take_missed()
        return [way for way in sorted(missed) if self._missed.allows(way, now)] if missed else []

    def refused(self, now: float) -> list[EspRefused]:
        """ESP that was refused."""
        return [
            refused
            for refused in self._rules.take_esp_refused()
            if self._refused.allows(refused[:3], now) and self._all_refused.allows(None, now)
        ]
