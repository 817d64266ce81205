"""`traceroute`: UDP probes to high ports with a growing TTL, one at a time, a line for each hop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.icmp import codec
from iosish.icmp.codec import Failure
from iosish.icmp.session import PROTOCOL_UDP, Probe

PORT_UNREACHABLE = 3

#: What an "unreachable" that does not come from the destination's own port is shown as.
_MARKS = {
    0: "!N",  # net
    1: "!H",  # host
    2: "!P",  # protocol
    4: "!M",  # fragmentation needed
    5: "!S",  # source route failed
    6: "!N",
    7: "!H",
    9: "!A",  # administratively prohibited, as 10 and 13
    10: "!A",
    11: "!N",
    12: "!H",
    13: "!A",
}


@dataclass(frozen=True, slots=True)
class TracerouteRequest:
    """What `traceroute` was asked for; the defaults are IOS's. `name` is the word typed, when it was no address."""

    destination: IPv4Address
    name: str | None = None
    source: IPv4Address | None = None
    timeout_s: float = 3.0
    probes: int = 3
    ttl_min: int = 1
    ttl_max: int = 30
    port: int = 33434
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class _Outstanding:
    port: int
    sent_at: float


class Traceroute:
    """A running `traceroute`: an `icmp.session.Session`.

    `identifier` (0 to 65535) chooses the source port, which tells sessions of a router apart. `name_of` gives the
    name of a hop where the router knows one.
    """

    def __init__(
        self,
        request: TracerouteRequest,
        identifier: int,
        name_of: Callable[[IPv4Address], str | None] = lambda address: None,
    ) -> None:
        self.request = request
        self.done = False
        self._source_port = 0xC000 | identifier & 0x3FFF  # RFC 6335: the dynamic ports
        self._name_of = name_of
        self._probes_per_hop = max(request.probes, 1)
        self._ttl = min(max(request.ttl_min, 1), 255)
        self._ttl_max = min(max(request.ttl_max, self._ttl), 255)
        self._sent = 0
        self._sent_at_hop = 0
        self._answered_by: IPv4Address | None = None
        self._line_open = False
        self._reached = False
        self._outstanding: _Outstanding | None = None
        self._out: list[Probe] = []
        self._text: list[str] = []

    def start(self, now: float) -> None:
        request = self.request
        target = f"{request.name} ({request.destination})" if request.name else str(request.destination)
        self._text.append(
            "Type escape sequence to abort.\n"
            f"Tracing the route to {target}\n"
            "VRF info: (vrf in name/id, vrf out name/id)\n"
        )
        self._next_probe(now)

    def receive(self, source: IPv4Address, ttl: int, message: bytes, now: float) -> None:
        outstanding = self._outstanding
        if outstanding is None:
            return
        answer = codec.read(message)
        if not isinstance(answer, Failure) or not self._is_about(outstanding, answer):
            return
        if answer.kind == codec.TIME_EXCEEDED:
            if answer.code == 0:  # 1 is a reassembly that took too long: not about the TTL
                self._answer(source, self._taken(outstanding, now), now)
        elif answer.kind == codec.UNREACHABLE:
            self._reached = True
            if answer.code == PORT_UNREACHABLE:
                self._answer(source, self._taken(outstanding, now), now)
            else:
                self._answer(source, f" {_MARKS.get(answer.code, '?')} ", now)
        else:
            self._answer(source, " !Q " if answer.kind == codec.SOURCE_QUENCH else " ? ", now)

    def wake(self, now: float) -> None:
        if self._outstanding and now >= self._outstanding.sent_at + self.request.timeout_s:
            self._text.append(" * ")
            self._next_probe(now)

    def next_wake(self) -> tuple[float, str] | None:
        if self._outstanding is None:
            return None
        return self._outstanding.sent_at + self.request.timeout_s, f"probe timeout {self.request.destination}"

    def too_big(self, now: float) -> None:
        """Nothing to do: the probes are smaller than any MTU, and a lost one is `*` in time."""

    def abort(self, now: float) -> None:
        if not self.done:
            self._finish()

    def datagrams(self) -> list[Probe]:
        probes, self._out = self._out, []
        return probes

    def text(self) -> str:
        text = "".join(self._text)
        self._text.clear()
        return text

    @staticmethod
    def _taken(outstanding: _Outstanding, now: float) -> str:
        return f" {max(1, round((now - outstanding.sent_at) * 1000))} msec"

    def _is_about(self, outstanding: _Outstanding, failure: Failure) -> bool:
        quote = failure.quote
        return (
            quote.protocol == PROTOCOL_UDP
            and quote.destination == self.request.destination
            and (self.request.source is None or quote.source == self.request.source)
            and (quote.first, quote.second) == (self._source_port, outstanding.port)
        )

    def _answer(self, source: IPv4Address, said: str, now: float) -> None:
        if source != self._answered_by:
            if self._answered_by is not None:
                self._text.append("\n    ")
            self._answered_by = source
            self._text.append(self._shown(source))
        self._text.append(said)
        self._next_probe(now)

    def _shown(self, address: IPv4Address) -> str:
        name = None if self.request.numeric else self._name_of(address)
        return f"{name} ({address})" if name else str(address)

    def _next_probe(self, now: float) -> None:
        if self._sent_at_hop == self._probes_per_hop:
            if self._reached or self._ttl == self._ttl_max:
                self._finish()
                return
            self._text.append("\n")
            self._line_open = False
            self._ttl += 1
            self._sent_at_hop = 0
            self._answered_by = None
        if not self._line_open:
            self._text.append(f"{self._ttl:3d} ")
            self._line_open = True
        port = (self.request.port + self._sent) & 0xFFFF
        self._sent += 1
        self._sent_at_hop += 1
        self._outstanding = _Outstanding(port, now)
        request = self.request
        payload = codec.udp(self._source_port, port)
        self._out.append(Probe(request.destination, request.source, PROTOCOL_UDP, self._ttl, 0, False, payload))

    def _finish(self) -> None:
        self.done = True
        self._outstanding = None
        self._out.clear()
        if self._line_open:
            self._text.append("\n")
            self._line_open = False
