"""Clamping of the TCP maximum segment size (`ip tcp adjust-mss`) in packets that open a connection."""

from __future__ import annotations

from iosish.forwarding import ipv4
from iosish.forwarding.ipv4 import Packet

_SYN = 0x02
_OPTION_END = 0
_OPTION_NOP = 1
_OPTION_MSS = 2


def clamp(packet: Packet, mss: int) -> Packet:
    """The same packet, with no MSS option above `mss`; the very object when nothing had to change.

    `packet` is a well-formed IPv4 packet (`ipv4.size`). Only SYN and SYN ACK carry the option; one without it is
    left so, as IOS does. The TCP checksum is corrected by the difference, so a wrong one stays wrong.
    """
    at = ipv4.header_size(packet)
    end = ipv4.size(packet)
    if packet[9] != ipv4.TCP or packet[6] & 0x1F or packet[7] or end < at + 20 or not packet[at + 13] & _SYN:
        return packet
    options_end = at + (packet[at + 12] >> 4 << 2)
    if options_end > end:
        return packet
    changed: bytearray | None = None
    option = at + 20
    while option < options_end:
        kind = packet[option]
        if kind == _OPTION_END:
            break
        if kind == _OPTION_NOP:
            option += 1
            continue
        length = packet[option + 1] if option + 1 < options_end else 0
        if length < 2 or option + length > options_end:
            break
        if kind == _OPTION_MSS and length == 4:
            old = packet[option + 2] << 8 | packet[option + 3]
            if old > mss:
                changed = changed or bytearray(packet)
                _write(changed, at, option + 2, old, mss)
        option += length
    return packet if changed is None else bytes(changed)


def _write(packet: bytearray, tcp: int, at: int, old: int, new: int) -> None:
    packet[at : at + 2] = new.to_bytes(2, "big")
    if (at - tcp) & 1:  # across two words of the sum: each octet counts in the other half
        old = (old & 0xFF) << 8 | old >> 8
        new = (new & 0xFF) << 8 | new >> 8
    sum_at = tcp + 16
    before = packet[sum_at] << 8 | packet[sum_at + 1]
    packet[sum_at : sum_at + 2] = ipv4.adjusted(before, old, new).to_bytes(2, "big")
