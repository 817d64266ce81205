"""ESP for many packets of one size at once, as rows of matrices (numpy). No I/O.

The packets are those of `esp.py`, octet by octet (but for the IVs of CBC, which hang on the packets before). What is
the same for all rows is written when a matrix changes hands; what counts is written by one operation for all rows.
Buffers are kept for a few sizes, and shared by all associations: what is in them is of the last call alone.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from hmac import compare_digest
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np
from cryptography.exceptions import InvalidTag

from iosish.ipsec.ciphers import HEADER_OCTETS
from iosish.ipsec.esp import InboundSa, OutboundSa

Matrix: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"

#: Packets that are sealed or opened at once: what six large packets are cut into with an MSS of 1400.
ROWS = 272
#: Sizes that buffers are kept for; those of the last ones used.
SIZES_MAX = 8
#: Ways to write packets of one size that are kept.
LAYOUTS_MAX = 64

_INDEX = np.arange(ROWS, dtype=np.uint32)
_NONCE = 12
_GCM_IV = 8


def _rows(block: memoryview, stride: int, start: int, octets: int) -> list[memoryview]:
    return [block[at + start : at + start + octets] for at in range(0, ROWS * stride, stride)]


Kept = TypeVar("Kept")


class LastUsed(Generic[Kept]):
    """What was made for some keys: for as many of those that were used last as there is room for."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = make()
            if len(self._kept) > self._at_most:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found


class Sealing:
    """Packets of one size on their way through associations of one kind.

    `inside` is where the GRE packets are written, a row each; `block` has the sealed ones, one after the other.
    `layouts` is for what who writes has worked out for these buffers; it ends with them.
    """

    def __init__(self, sa: OutboundSa, octets: int) -> None:
        self._aead = sa.parts.aead is not None
        layout = sa.layout
        self._prefix, self._iv, self._icv = layout.prefix, layout.iv, layout.icv
        inner = self._prefix + sa.inner_octets
        self._octets = sa.inner_octets + octets
        plain = self._prefix + self._octets + len(sa.trailer(self._octets))
        size = HEADER_OCTETS + (self._iv if self._aead else 0) + plain + self._icv
        self.size = size
        self.layouts: LastUsed[Any] = LastUsed(LAYOUTS_MAX)
        # Some ciphers want a block more than they write.
        plain_block, self._cipher_block = bytearray(ROWS * plain), bytearray(ROWS * plain + 16)
        frame_block = bytearray(ROWS * size)
        self._plain = np.frombuffer(plain_block, np.uint8).reshape(ROWS, plain)
        self._frames = np.frombuffer(frame_block, np.uint8).reshape(ROWS, size)
        self._plain_view, self.block = memoryview(plain_block), memoryview(frame_block)
        self.inside: Matrix = self._plain[:, inner : inner + octets]
        # With GCM the IV's second half is the number again.
        self._sequences = self._frames[:, 4 : 16 if self._aead else 8].view(">u4")[:, ::2]
        self._owner: tuple[int, bytes] | None = None
        self._inner = self._plain[:, self._prefix : inner]
        if self._aead:
            self._nonce_block = bytearray(ROWS * _NONCE)
            self._nonces = np.frombuffer(self._nonce_block, np.uint8).reshape(ROWS, _NONCE)
            self._nonce_rows = _rows(memoryview(self._nonce_block), _NONCE, 0, _NONCE)
            self._plain_rows = _rows(self._plain_view, plain, 0, plain)
            self._header_rows = _rows(self.block, size, 0, HEADER_OCTETS)
            self._cipher_rows = _rows(self.block, size, HEADER_OCTETS + _GCM_IV, plain + self._icv)
            self._nonce_sequence = self._nonces[:, 8:].view(">u4")[:, 0]
        else:
            ciphered = np.frombuffer(self._cipher_block, np.uint8)[: ROWS * plain].reshape(ROWS, plain)
            self._ciphered = ciphered
            self._sealed = self._frames[:, HEADER_OCTETS : HEADER_OCTETS + plain]
            self._icvs = self._frames[:, HEADER_OCTETS + plain :]
            self._signed_rows = _rows(self.block, size, 0, HEADER_OCTETS + plain)

    def _take(self, sa: OutboundSa) -> None:
        """Write what is the same in all packets of this association."""
        trailer = sa.trailer(self._octets)
        self._plain[:, -len(trailer) :] = np.frombuffer(trailer, np.uint8)
        self._frames[:, :4] = np.frombuffer(sa.spi.to_bytes(4, "big"), np.uint8)
        if self._aead:
            self._nonces[:, :4] = np.frombuffer(sa.parts.salt, np.uint8)

    def seal(self, sa: OutboundSa, number: int, tos: int, ttl: int, df: bool, now: float) -> bool:
        """Seal what was written into the first rows of `inside`. False: the association may not send so many any more.

        Its sequence numbers are used up before anything can fail, so that none is ever used twice.
        """
        first = sa.number(number, self._octets, now)
        if not first:
            return False
        owner = sa.spi, sa.parts.salt
        if self._owner != owner:
            self._take(sa)
            self._owner = owner
        # To all rows: that costs less than to find some of them.
        sequences = _INDEX + np.uint32(first)
        self._sequences[:] = sequences[:, None]
        if sa.tunnel is not None:
            self._write_inner(sa, number, first, tos, ttl, df)
        if self._aead:
            self._nonce_sequence[:] = sequences
            encrypt = sa.parts.aead.encrypt_into  # type: ignore[union-attr] # an association of this kind has it
            deque(
                map(encrypt, self._nonce_rows[:number], self._plain_rows, self._header_rows, self._cipher_rows),
                maxlen=0,
            )
            return True
        context, keyed = sa.parts.context, sa.parts.keyed
        if context is None:
            self._sealed[:number] = self._plain[:number]
        else:
            context.update_into(self._plain_view[: number * self._plain.shape[1]], self._cipher_block)
            self._sealed[:number] = self._ciphered[:number]
        if keyed is not None:
            icvs = []
            for signed in self._signed_rows[:number]:
                mac = keyed.copy()
                mac.update(signed)
                icvs.append(mac.finalize())
            digests = np.frombuffer(b"".join(icvs), np.uint8).reshape(number, -1)
            self._icvs[:number] = digests[:, : self._icv]
        return True

    def _write_inner(self, sa: OutboundSa, number: int, first: int, tos: int, ttl: int, df: bool) -> None:
        """The IPv4 headers of tunnel mode: their identifications count, and their checksums with them."""
        assert sa.tunnel is not None
        inner = self._inner[:number]
        inner[:] = np.frombuffer(sa.tunnel.build(self._octets, 0, tos, ttl, df), np.uint8)
        identifications = _INDEX[:number] + np.uint32(first & 0xFFFF) & np.uint32(0xFFFF)
        inner[:, 4:6].view(">u2")[:, 0] = identifications
        words = np.uint32(_word_sum(inner[0, :10].tobytes() + inner[0, 12:].tobytes(), first & 0xFFFF))
        inner[:, 10:12].view(">u2")[:, 0] = (0xFFFF - (identifications + words) % 0xFFFF) % 0xFFFF


def _word_sum(header: bytes, identification: int) -> int:
    """The sum of a header without its checksum, but for the identification in it, folded."""
    return (int.from_bytes(header, "big") - identification) % 0xFFFF


_SEALING: LastUsed[Sealing] = LastUsed(SIZES_MAX)


def sealing(sa: OutboundSa, octets: int) -> Sealing:
    """Buffers for GRE packets of so many octets that leave by this association, or by one of its kind."""
    transform = sa.sa.transform
    key = transform.cipher, transform.integrity, sa.layout, sa.inner_octets, octets
    return _SEALING.get(key, lambda: Sealing(sa, octets))


class Rows:
    """Octets in rows of one size. Views of the parts of each row are kept with it.

    `groups` has three dimensions: groups of rows at any distance, the rows of a group, octets. Rows are numbered
    through all groups.
    """

    def __init__(self, groups: Matrix, rows: list[memoryview]) -> None:
        self._groups = groups
        self.rows = rows
        self.size = groups.shape[2]
        self._parts: LastUsed[list[memoryview]] = LastUsed(SIZES_MAX)

    def part(self, start: int, stop: int) -> list[memoryview]:
        """The same octets of each row."""
        return self._parts.get((start, stop), lambda: [row[start:stop] for row in self.rows])

    def octets(self, first: int, end: int, start: int, stop: int) -> Matrix:
        """The octets from `start` to `stop` of some rows, which are in one group, or are several whole ones."""
        each = self._groups.shape[1]
        if each == 1:
            return self._groups[first:end, 0, start:stop]
        group, at = divmod(first, each)
        number = end - first
        if at + number <= each:
            return self._groups[group, at : at + number, start:stop]
        return self._groups[group : group + number // each, :, start:stop].reshape(number, stop - start)


class Section(NamedTuple):
    """The same octets of rows that follow each other: from `start` to `stop` of those from `first` to `end`."""

    rows: Rows
    first: int
    end: int
    start: int
    stop: int

    def octets(self) -> Matrix:
        return self.rows.octets(*self[1:])

    def views(self, first: int, end: int, start: int) -> list[memoryview]:
        """Some rows of it, from an octet on."""
        return self.rows.part(self.start + start, self.stop)[self.first + first : self.first + end]


def _matrix(block: bytearray, octets: int) -> Rows:
    """Rows of so many octets, in one group."""
    groups = np.frombuffer(block, np.uint8)[: ROWS * octets].reshape(1, ROWS, octets)
    return Rows(groups, _rows(memoryview(block), octets, 0, octets))


class Opening:
    """Buffers for packets of one size that came in by associations of one kind."""

    def __init__(self, sa: InboundSa, size: int) -> None:
        layout = sa.layout
        self._icv = layout.icv
        self._aead = sa.parts.aead is not None
        # The IV of CBC goes through the cipher too: its plaintext is the prefix (see ciphers.py).
        self._start = HEADER_OCTETS + (layout.iv if self._aead else 0)
        self._end = size - (0 if self._aead else layout.icv)
        self._size = size
        cipher = self._end - self._start
        plain = cipher - (layout.icv if self._aead else 0)
        self._plain_block = bytearray(ROWS * plain + 16)
        self._plain = _matrix(self._plain_block, plain)
        if self._aead:
            nonce_block = bytearray(ROWS * _NONCE)
            self._nonces = np.frombuffer(nonce_block, np.uint8).reshape(ROWS, _NONCE)
            self._nonce_rows = _rows(memoryview(nonce_block), _NONCE, 0, _NONCE)
            self._salt = b""
        else:
            self._cipher_block = bytearray(ROWS * cipher)
            self._ciphered = _matrix(self._cipher_block, cipher)

    def open(self, sa: InboundSa, arrived: Rows, first: int, end: int) -> Rows | None:
        """The plaintexts, prefix included, of some rows, from the first on; None: one is not what its ICV says."""
        number = end - first
        if self._aead:
            if self._salt != sa.parts.salt:
                self._salt = sa.parts.salt
                self._nonces[:, :4] = np.frombuffer(self._salt, np.uint8)
            self._nonces[:number, 4:] = arrived.octets(first, end, HEADER_OCTETS, self._start)
            headers = arrived.part(0, HEADER_OCTETS)[first:end]
            ciphered = arrived.part(self._start, self._end)[first:end]
            decrypt = sa.parts.aead.decrypt_into  # type: ignore[union-attr] # an association of this kind has it
            try:
                deque(map(decrypt, self._nonce_rows, ciphered, headers, self._plain.rows), maxlen=0)
            except InvalidTag:
                return None
            return self._plain
        if sa.parts.keyed is not None:
            signed, icvs = arrived.part(0, self._end)[first:end], arrived.part(self._end, self._size)[first:end]
            for octets, icv in zip(signed, icvs, strict=True):
                mac = sa.parts.keyed.copy()
                mac.update(octets)
                if not compare_digest(mac.finalize()[: self._icv], icv):
                    return None
        size = self._ciphered.size
        self._ciphered.octets(0, number, 0, size)[:] = arrived.octets(first, end, self._start, self._end)
        if sa.parts.context is None:
            return self._ciphered
        sa.parts.context.update_into(memoryview(self._cipher_block)[: number * size], self._plain_block)
        return self._plain


_OPENING: LastUsed[Opening] = LastUsed(SIZES_MAX)


def _opening(sa: InboundSa, size: int) -> Opening:
    transform = sa.sa.transform
    return _OPENING.get((transform.cipher, transform.integrity, sa.layout, size), lambda: Opening(sa, size))


def open_rows(sa: InboundSa, arrived: Rows, first: int, end: int, now: float) -> Section | None:
    """The GRE packets in some rows of ESP, SPI first, of this association, all of one size.

    None when they are not what a sender makes of packets of one size in a row: new and consecutive sequence numbers,
    right ICVs, no fragments. Nothing has happened then: `InboundSa.open` is to say what each is. What is given is good
    until the next call.
    """
    number, size = end - first, arrived.size
    if number > ROWS or not sa.fits(size):
        return None
    heads = arrived.octets(first, end, 0, HEADER_OCTETS).view(">u8")[:, 0].tolist()
    lowest = heads[0] & 0xFFFFFFFF
    if heads != list(range(heads[0], heads[0] + number)) or not sa.window.highest < lowest <= 2**32 - number:
        return None
    opened = _opening(sa, size).open(sa, arrived, first, end)
    if opened is None:
        return None
    part = sa.inside(opened.rows[0].tobytes())
    if part is None:
        return None
    if not uniform(opened.octets(0, number, part.padding, opened.size)):
        return None
    if sa.tunnel is not None:
        inner = opened.octets(0, number, part.start - 20, part.start)
        if not same_headers(inner) or (_header_sums(inner) % 0xFFFF).any():
            return None
    sa.took(lowest, number, part.octets, now)
    return Section(opened, 0, number, part.start, part.end)


def uniform(rows: Matrix) -> bool:
    """Whether all rows are the same."""
    first: bytes = rows[0].tobytes()
    return bool(rows.tobytes() == first * len(rows))


def same_headers(headers: Matrix) -> bool:
    """Whether IPv4 headers are the same, but for identifications and checksums."""
    return uniform(headers[:, :4]) and uniform(headers[:, 6:10]) and uniform(headers[:, 12:])


def _header_sums(headers: Matrix) -> Any:
    return np.ascontiguousarray(headers).view(np.uint16).sum(axis=1, dtype=np.uint32)
