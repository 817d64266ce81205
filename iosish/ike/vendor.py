"""Vendor IDs: what each side can do beyond RFC 2409."""

from __future__ import annotations

from enum import Enum

from iosish.ike.payloads import Kind

#: The Cisco Unity VID counts by its first 14 octets, DPD by all but the version (RFC 3706 5.1).
RFC_3947 = bytes.fromhex("4a131c81070358455c5728f20e95452f")
NAT_T_DRAFT_7 = bytes.fromhex("439b59f8ba676c4c7737ae22eab8f582")
NAT_T_DRAFT_3 = bytes.fromhex("7d9419a65310ca6f2c179d9215529d56")
NAT_T_DRAFT_2 = bytes.fromhex("cd60464335df21f87cfdb2fc68b6a448")
NAT_T_DRAFT_2_NEWLINE = bytes.fromhex("90cb80913ebb696e086381b5ec427b1f")
DPD = bytes.fromhex("afcad71368a1f1c96b8696fc77570100")
UNITY = bytes.fromhex("12f5f28c457168a9702d9fe274cc0100")
XAUTH = bytes.fromhex("09002689dfd6b712")
FRAGMENTATION = bytes.fromhex("4048b7d56ebce88525e7de7f00d6c2d3")

#: What the sender's cookie is combined with in the first half of IOS's own VID.
_IOS_MASK = bytes.fromhex("f5c7a71d00010000")


class NatT(Enum):
    """The versions of NAT traversal; the value is the NAT-D payload's number."""

    RFC = Kind.NAT_D
    DRAFT_7 = Kind.NAT_D_DRAFT_7
    DRAFT_3 = Kind.NAT_D_DRAFT_3

    @property
    def original_address(self) -> Kind:
        """The NAT-OA payload's number."""
        return _ORIGINAL_ADDRESS[self]


_ORIGINAL_ADDRESS = {
    NatT.RFC: Kind.NAT_OA,
    NatT.DRAFT_7: Kind.NAT_OA_DRAFT_7,
    NatT.DRAFT_3: Kind.NAT_OA_DRAFT_3,
}

#: In IOS's order, which is that of preference: what an initiator sends in MM1.
NAT_T_OFFERED = (RFC_3947, NAT_T_DRAFT_7, NAT_T_DRAFT_3, NAT_T_DRAFT_2_NEWLINE)
_NAT_T = {
    RFC_3947: NatT.RFC,
    NAT_T_DRAFT_7: NatT.DRAFT_7,
    NAT_T_DRAFT_3: NatT.DRAFT_3,
    NAT_T_DRAFT_2_NEWLINE: NatT.DRAFT_3,
    NAT_T_DRAFT_2: NatT.DRAFT_3,
}


def nat_t(value: bytes) -> NatT | None:
    """The version of NAT traversal that a VID stands for."""
    return _NAT_T.get(value)


def nat_t_in_common(offered: list[bytes]) -> bytes | None:
    """The VID with which a responder answers: the best that it was offered; None where there is none."""
    return next((value for value in _NAT_T if value in offered), None)


def is_dpd(value: bytes) -> bool:
    return value[:14] == DPD[:14]


def ios(cookie: bytes, rest: bytes) -> bytes:
    """IOS's own VID for the sender's cookie; nobody knows what its second half (8 octets) means."""
    return bytes(one ^ other for one, other in zip(cookie, _IOS_MASK, strict=True)) + rest
