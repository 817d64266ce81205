"""RESPONDER-LIFETIME (RFC 2407 4.6.3.1): a responder's life that is shorter than what it agreed to."""

from __future__ import annotations

from iosish.ike import attributes
from iosish.ike.attributes import KILOBYTES, SECONDS, Phase1, Phase2, Protocol, duration
from iosish.ike.errors import PacketError
from iosish.ike.payloads import Notification, NotifyType


def of_responder(notification: Notification, life_type: int, life_duration: int) -> dict[int, int]:
    """Durations by life type; nothing in another notification, or in one that says nothing."""
    if notification.type != NotifyType.RESPONDER_LIFETIME:
        return {}
    try:
        lives = attributes.lifetimes(attributes.decode(notification.data), life_type, life_duration)
    except PacketError:
        return {}
    return {kind: value for kind, value in lives.items() if value}


def of_phase1(cookies: bytes, seconds: int) -> Notification:
    """What a responder says of the life of the ISAKMP SA."""
    values = (attributes.Attribute(Phase1.LIFE_TYPE, SECONDS), duration(Phase1.LIFE_DURATION, seconds))
    return Notification(Protocol.ISAKMP, cookies, NotifyType.RESPONDER_LIFETIME, attributes.encode(values))


def of_phase2(spi: bytes, seconds: int | None, kilobytes: int | None) -> tuple[Notification, ...]:
    """What a responder says of its own limits; None: they are not shorter."""
    values: tuple[attributes.Attribute, ...] = ()
    for kind, number in ((SECONDS, seconds), (KILOBYTES, kilobytes)):
        if number is not None:
            values += (attributes.Attribute(Phase2.LIFE_TYPE, kind), duration(Phase2.LIFE_DURATION, number))
    if not values:
        return ()
    data = attributes.encode(values)
    return (Notification(Protocol.ESP, spi, NotifyType.RESPONDER_LIFETIME, data),)
