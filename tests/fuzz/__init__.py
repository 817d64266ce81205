"""Packets that nobody meant to send, thrown at the decoders: `python -m tests.fuzz DECODER [--count N] [--seed N]`.

`DECODERS` names them. A round takes a packet of the decoder's corpus and spoils it, in half of the rounds so that its
outer lengths fit again and the fault lies deeper. The decoder may refuse it in its own way, and nothing else: an
exception of another kind ends the run and shows the packet. Memory must stay as it was.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

#: Values that tend to sit on the edge of a length or a count.
EDGES = (0, 1, 2, 3, 4, 7, 8, 0x7F, 0x80, 0xFE, 0xFF)
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Decoder:
    """`read` returns whether the packet was taken. `corpus` holds what well-meaning peers send.

    `deeper` spoils something inside a packet of the corpus and makes the lengths around it right; None: there are none.
    """

    corpus: Sequence[bytes]
    read: Callable[[bytes], bool]
    deeper: Callable[[Random, bytes], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`grown_kb`: how much more memory the process took after a tenth of the rounds until the end."""

    rounds: int
    taken: int
    refused: int
    grown_kb: int


def spoil(random: Random, packet: bytes, corpus: Sequence[bytes]) -> bytes:
    """One to four changes: bits, octets, lengths, cuts, repeats, a piece of another packet, more than anybody needs."""
    data = bytearray(packet)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data)) if data else 0
        match random.randrange(9):
            case 0 if data:
                data[at] ^= 1 << random.randrange(8)
            case 1 if data:
                data[at] = random.choice(EDGES)
            case 2 if data:
                data[at : at + 2] = random.choice((0, 1, 3, 4, 0xFFFF, len(data), at)).to_bytes(2, "big")
            case 3:
                del data[at : at + random.randint(1, 24)]
            case 4:
                del data[at:]
            case 5:
                data[at:at] = random.randbytes(random.randint(1, 24))
            case 6:
                data[at:at] = data[at : at + random.randint(1, 64)]
            case 7:
                other = random.choice(corpus)
                start = random.randrange(len(other)) if other else 0
                data[at : at + random.randint(0, 16)] = other[start : start + random.randint(1, 64)]
            case 8:
                data[at:at] = random.choice(b"\x00\x41\xff").to_bytes(1, "big") * random.choice((130, 300, 2000))
    return bytes(data[:LONGEST])


def run(decoder: Decoder, count: int, seed: int) -> Outcome:
    """Raises whatever a decoder raises, with the packet as a note."""
    random = Random(seed)
    taken = 0
    after_a_tenth = 0
    for number in range(count):
        if number == count // 10:
            after_a_tenth = _peak_kb()
        packet = random.choice(decoder.corpus)
        if decoder.deeper and random.randrange(2):
            packet = decoder.deeper(random, packet)
        else:
            packet = spoil(random, packet, decoder.corpus)
        try:
            taken += decoder.read(packet)
        except Exception as error:
            error.add_note(f"round {number} of seed {seed}: {packet.hex()}")
            raise
    return Outcome(count, taken, count - taken, _peak_kb() - after_a_tenth)


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
