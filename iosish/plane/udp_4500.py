"""What shares UDP port 4500 (RFC 3948): ESP, IKE behind a marker, and NAT keepalives; and what IKE is sent with."""

from __future__ import annotations

IKE_PORT = 500
NAT_T_PORT = 4500
IKE_PORTS = (IKE_PORT, NAT_T_PORT)

#: Longer IKE messages are refused: nothing that pre-shared keys need comes near.
MESSAGE_MAX = 10_000
#: The beginning of an ISAKMP header: two cookies, next payload, version, exchange, flags, message ID, length.
MESSAGE_MIN = 28

NON_ESP_MARKER = bytes(4)
KEEPALIVE = b"\xff"
#: SPI and sequence number.
ESP_MIN = 8

IKE_TOS = 0xC0
IKE_TTL = 255


def wrap(local_port: int, message: bytes) -> bytes | None:
    """An IKE message as UDP carries it from this port of ours; an empty one stands for a keepalive. None: too long."""
    if len(message) > MESSAGE_MAX:
        return None
    if local_port != NAT_T_PORT:
        return message
    return NON_ESP_MARKER + message if message else KEEPALIVE


def ike_message(local_port: int, data: bytes) -> bytes | None:
    """The IKE message in what came in on this port of ours; None when it is none, or of a length that is refused."""
    if local_port == NAT_T_PORT:
        if data[:4] != NON_ESP_MARKER:
            return None
        data = data[4:]
    return data if MESSAGE_MIN <= len(data) <= MESSAGE_MAX else None


def is_esp(data: bytes | memoryview) -> bool:
    """Whether what came in on port 4500 is ESP: its SPI is never zero, and a keepalive is shorter."""
    return len(data) >= ESP_MIN and data[:4] != NON_ESP_MARKER
