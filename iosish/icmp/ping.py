"""`ping`: one echo at a time, the next as soon as the answer or the timeout came, a mark for each."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from iosish.icmp import codec
from iosish.icmp.codec import EchoReply, Failure
from iosish.icmp.session import IPV4_HEADER, PROTOCOL_ICMP, Probe

#: IOS's limits on the datagram size; the smallest holds the headers and its 8 octets of time.
SIZE_MIN = 36
SIZE_MAX = 18024
MARKS_PER_LINE = 70

_ICMP_HEADER = 8
_STAMP = 8
_TTL = 255


@dataclass(frozen=True, slots=True)
class PingRequest:
    """What `ping` was asked for; the defaults are IOS's.

    `size` counts the whole IPv4 datagram, as on IOS. `sweep` is (smallest, largest, step) of the datagram size and
    takes the place of `size`: `repeat` rounds over all sizes. With `validate`, a reply with other data is none.
    """

    destination: IPv4Address
    source: IPv4Address | None = None
    repeat: int = 5
    size: int = 100
    timeout_s: float = 2.0
    df: bool = False
    tos: int = 0
    pattern: int = 0xABCD
    validate: bool = False
    sweep: tuple[int, int, int] | None = None

    def sizes(self) -> range:
        """The datagram sizes of one round, each within IOS's limits."""
        first, last, step = self.sweep or (self.size, self.size, 1)
        first = min(max(first, SIZE_MIN), SIZE_MAX)
        return range(first, max(first, min(last, SIZE_MAX)) + 1, max(step, 1))


@dataclass(frozen=True, slots=True)
class _Outstanding:
    sequence: int
    sent_at: float
    data: bytes


class Ping:
    """A running `ping`: an `icmp.session.Session`. `identifier` (0 to 65535) tells sessions of a router apart."""

    def __init__(self, request: PingRequest, identifier: int) -> None:
        self.request = request
        self.done = False
        self._identifier = identifier & 0xFFFF
        self._sizes = request.sizes()
        self._total = max(request.repeat, 1) * len(self._sizes)
        self._sent = 0
        self._marks = 0
        self._replies = 0
        self._sum_ms = 0
        self._min_ms = 0
        self._max_ms = 0
        self._outstanding: _Outstanding | None = None
        self._probes: list[Probe] = []
        self._text: list[str] = []

    def start(self, now: float) -> None:
        self._text.append(self._heading())
        self._send(now)

    def receive(self, source: IPv4Address, ttl: int, message: bytes, now: float) -> None:
        outstanding = self._outstanding
        if outstanding is None:
            return
        answer = codec.read(message)
        if isinstance(answer, EchoReply):
            self._take_reply(outstanding, source, answer, now)
        elif isinstance(answer, Failure) and self._is_about(outstanding, answer):
            self._mark(_failure_mark(answer), now)

    def wake(self, now: float) -> None:
        outstanding = self._outstanding
        if outstanding and now >= outstanding.sent_at + self.request.timeout_s:
            self._mark(".", now)

    def next_wake(self) -> tuple[float, str] | None:
        if self._outstanding is None:
            return None
        return self._outstanding.sent_at + self.request.timeout_s, f"echo timeout {self.request.destination}"

    def too_big(self, now: float) -> None:
        if self._outstanding:
            self._mark("M", now)

    def abort(self, now: float) -> None:
        if self.done:
            return
        if self._outstanding:
            self._put(".")
        self._finish()

    def datagrams(self) -> list[Probe]:
        probes, self._probes = self._probes, []
        return probes

    def text(self) -> str:
        text = "".join(self._text)
        self._text.clear()
        return text

    def _heading(self) -> str:
        request = self.request
        sizes = self._sizes
        size = f"[{sizes[0]}..{sizes[-1]}]" if request.sweep else str(sizes[0])
        timeout = f"{request.timeout_s:g}"
        lines = [
            "Type escape sequence to abort.",
            f"Sending {self._total}, {size}-byte ICMP Echos to {request.destination}, timeout is {timeout} seconds:",
        ]
        if request.source:
            lines.append(f"Packet sent with a source address of {request.source} ")
        if request.df:
            lines.append("Packet sent with the DF bit set")
        if request.validate:
            lines.append("Reply data will be validated")
        return "".join(f"{line}\n" for line in lines)

    def _send(self, now: float) -> None:
        sequence = self._sent & 0xFFFF
        size = self._sizes[self._sent % len(self._sizes)]
        data = self._data(size - IPV4_HEADER - _ICMP_HEADER, now)
        self._sent += 1
        self._outstanding = _Outstanding(sequence, now, data)
        request = self.request
        message = codec.echo(self._identifier, sequence, data)
        self._probes.append(
            Probe(request.destination, request.source, PROTOCOL_ICMP, _TTL, request.tos & 0xFF, request.df, message)
        )

    def _data(self, length: int, now: float) -> bytes:
        """IOS's payload: 8 octets of time in ms, then the pattern (seen in captures of 12.4T)."""
        stamp = (int(now * 1000) & 0xFFFFFFFF).to_bytes(_STAMP, "big")
        pattern = (self.request.pattern & 0xFFFF).to_bytes(2, "big")
        return (stamp + pattern * (length // 2))[:length]

    def _take_reply(self, outstanding: _Outstanding, source: IPv4Address, reply: EchoReply, now: float) -> None:
        if (reply.identifier, reply.sequence) != (self._identifier, outstanding.sequence):
            return
        destination = self.request.destination
        if source != destination and not (destination.is_multicast or destination == IPv4Address("255.255.255.255")):
            return
        if self.request.validate and reply.data != outstanding.data:
            return
        taken_ms = max(1, round((now - outstanding.sent_at) * 1000))
        self._min_ms = min(self._min_ms, taken_ms) if self._replies else taken_ms
        self._max_ms = max(self._max_ms, taken_ms)
        self._sum_ms += taken_ms
        self._replies += 1
        self._mark("!", now)

    def _is_about(self, outstanding: _Outstanding, failure: Failure) -> bool:
        quote = failure.quote
        return (
            quote.protocol == PROTOCOL_ICMP
            and quote.destination == self.request.destination
            and (self.request.source is None or quote.source == self.request.source)
            and (quote.first, quote.second) == (self._identifier, outstanding.sequence)
        )

    def _mark(self, mark: str, now: float) -> None:
        self._put(mark)
        if self._sent < self._total:
            self._send(now)
        else:
            self._finish()

    def _put(self, mark: str) -> None:
        self._outstanding = None
        self._marks += 1
        self._text.append(mark)
        if self._marks % MARKS_PER_LINE == 0:
            self._text.append("\n")

    def _finish(self) -> None:
        self.done = True
        self._outstanding = None
        self._probes.clear()
        if self._marks % MARKS_PER_LINE:
            self._text.append("\n")
        percent = self._replies * 100 // self._sent if self._sent else 0
        line = f"Success rate is {percent} percent ({self._replies}/{self._sent})"
        if self._replies:
            average_ms = self._sum_ms // self._replies
            line += f", round-trip min/avg/max = {self._min_ms}/{average_ms}/{self._max_ms} ms"
        self._text.append(line + "\n")


def _failure_mark(failure: Failure) -> str:
    if failure.kind == codec.UNREACHABLE:
        return "M" if failure.code == codec.FRAGMENTATION_NEEDED else "U"
    if failure.kind == codec.SOURCE_QUENCH:
        return "Q"
    return "&" if failure.kind == codec.TIME_EXCEEDED else "?"
