"""What all parts of the engine share: configuration, time, chance, counters, and the way out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable
from ipaddress import IPv4Address
from typing import NamedTuple

from iosish.deadlines import Deadlines
from iosish.engine import DebugEvent, Event, LogEvent, UdpDatagram
from iosish.ike import constants as c
from iosish.ike.config import IkeConfig
from iosish.rate_limit import RateLimit

ISAKMP = "crypto isakmp"
ISAKMP_ERROR = "crypto isakmp error"
IPSEC = "crypto ipsec"
IPSEC_ERROR = "crypto ipsec error"


class Key(NamedTuple):
    """What a deadline is for: the reason ("retransmission", "lifetime", ...) and the object it concerns."""

    reason: str
    subject: Hashable


class Node:
    """`debug` are the topics of debugging that are wanted."""

    def __init__(self, source: random.Random) -> None:
        self.random = source
        self.config = IkeConfig()
        self.deadlines: Deadlines[Key] = Deadlines()
        self.counters: Counter[str] = Counter()
        self.debug: frozenset[str] = frozenset()
        self.senders = RateLimit(c.PEER_BURST, c.PEER_RATE, c.MAX_PEERS)
        self.firsts = RateLimit(c.FIRST_BURST, c.FIRST_RATE, 1)
        self.notifies = RateLimit(c.NOTIFY_BURST, c.NOTIFY_RATE, c.MAX_PEERS)
        self.recoveries = RateLimit(c.RECOVERY_BURST, c.RECOVERY_RATE, c.MAX_PEERS)
        self.all_recoveries = RateLimit(c.ALL_RECOVERY_BURST, c.ALL_RECOVERY_RATE, 1)
        self.exchanges = RateLimit(c.DH_BURST, c.DH_RATE, c.MAX_PEERS)
        self.aggressive = RateLimit(c.AGGRESSIVE_BURST, c.AGGRESSIVE_RATE, 1)
        self._lines = RateLimit(c.LOG_BURST, c.LOG_RATE, c.MAX_PEERS)
        self._esp_lines = RateLimit(1, 1 / c.ESP_LOG_S, c.MAX_PEERS)
        self._all_lines = RateLimit(c.ALL_LOG_BURST, c.ALL_LOG_RATE, c.MAX_PEERS)
        self._datagrams: list[UdpDatagram] = []
        self._events: list[Event] = []
        self._connection_id = c.FIRST_CONNECTION_ID - 1

    def between(self, least: float, most: float) -> float:
        return least + (most - least) * self.random.random()

    def rekey_margin(self, lifetime_s: int, first: bool) -> float:
        """How long before its end an SA gets a successor: by one end first, by the other if that one did not."""
        margin = c.REKEY_S if first else c.REKEY_OTHER_S
        margin = min(margin, lifetime_s * c.REKEY_SHARE * margin / c.REKEY_S)
        return margin + self.between(0, min(c.REKEY_JITTER_S, margin / 4))

    def next_connection_id(self) -> int:
        self._connection_id += 1
        return self._connection_id

    # --- time -------------------------------------------------------------------------------------------------------

    def after(self, reason: str, subject: Hashable, at: float) -> None:
        """Set the deadline `reason` of `subject`; an older one for the same is replaced."""
        self.deadlines.set(Key(reason, subject), at)

    def cancel(self, reason: str, subject: Hashable) -> None:
        self.deadlines.cancel(Key(reason, subject))

    def pending(self, reason: str, subject: Hashable) -> float | None:
        return self.deadlines.get(Key(reason, subject))

    # --- the way out ------------------------------------------------------------------------------------------------

    def send(self, datagram: UdpDatagram) -> None:
        if len(self._datagrams) < c.MAX_QUEUED:
            self._datagrams.append(datagram)
        else:
            self.counters["queue is full"] += 1

    def tell(self, event: Event) -> None:
        """An event that must not be lost."""
        self._events.append(event)

    def log_about(self, peer: IPv4Address, line: LogEvent, now: float) -> bool:
        """A line that `peer` can cause: only so many of one kind, also when the peers are made up."""
        allowed = self._lines.allows((peer, line.mnemonic), now) and self._all_lines.allows(line.mnemonic, now)
        if allowed and len(self._events) < c.MAX_QUEUED:
            self._events.append(line)
        return allowed

    def log_esp(self, peer: IPv4Address, line: LogEvent, now: float) -> None:
        """A line about ESP that was refused."""
        if self._esp_lines.allows((peer, line.mnemonic), now):
            self.log_about(peer, line, now)

    def wants(self, topic: str) -> bool:
        return topic in self.debug or topic.removesuffix(" error") in self.debug

    def say(self, topic: str, peer: IPv4Address | None, text: str, *values: object) -> None:
        """Debug lines, `text % values`; costs next to nothing while nobody wants `topic`.

        Who wants all of ISAKMP or IPsec gets its errors too, as on IOS.
        """
        if not self.debug:
            return
        if topic not in self.debug:
            topic = topic.removesuffix(" error")
        if topic in self.debug and len(self._events) < c.MAX_QUEUED:
            for line in (text % values if values else text).split("\n"):
                self._events.append(DebugEvent(topic, line, peer))

    def take_datagrams(self) -> list[UdpDatagram]:
        taken, self._datagrams = self._datagrams, []
        return taken

    def take_events(self) -> list[Event]:
        taken, self._events = self._events, []
        return taken
