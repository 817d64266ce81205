"""Every IKEv1 message of the captures decodes and encodes to the same octets again; IKEv2 is known by its version."""

from __future__ import annotations

import pytest

from iosish.ike import attributes, vendor
from iosish.ike.attributes import Phase1
from iosish.ike.errors import PacketError
from iosish.ike.packet import decode_header, decode_payloads, encode_header, encode_payloads, is_ikev2
from iosish.ike.payloads import Kind, NatDetection, Notification, NotifyType, Payload, Sa, VendorId
from tests.ike.pcap import ike_frames

#: Messages, and how many of them are in clear.
IKEV1 = {
    "OISF__suricata-verify/generated.pcap": (1, 1),
    "OISF__suricata-verify/ikev1-isakmp-main-mode.pcap": (9, 4),
    "arkime__arkime/IKEv1.pcap": (13, 5),
    "cisco__joy/ikev1.pcap": (11, 6),
    "corelight__zeek-spicy-ipsec/ikev1-certs.pcap": (10, 4),
    "corelight__zeek-spicy-ipsec/ipsec-ikev1-isakmp-aggressive-mode.pcap": (6, 2),
    "epiecs__packetlife-backup/ISAKMP_sa_setup.cap": (9, 4),
    "strongswan-ikev1-main-quick-dpd-delete.pcap": (15, 4),
    "the-tcpdump-group__tcpdump/isakmp4500.pcap": (15, 4),
}
IKEV2 = {
    "cisco__joy/ikev2.pcap": 6,
    "corelight__zeek-spicy-ipsec/ipsec_client.pcap": 5,
    "the-tcpdump-group__tcpdump/ikev2four.pcap": 21,
    "the-tcpdump-group__tcpdump/ikev2pI2.pcap": 2,
}
IOS_12 = "epiecs__packetlife-backup/ISAKMP_sa_setup.cap"
IOS_15 = "OISF__suricata-verify/ikev1-isakmp-main-mode.pcap"


def clear(name: str) -> list[tuple[Payload, ...]]:
    """The payloads of the messages that are in clear."""
    found = []
    for frame in ike_frames(name):
        header, body = decode_header(frame.message)
        if not header.encrypted:
            found.append(decode_payloads(header.next_payload, body))
    return found


@pytest.mark.parametrize("name", IKEV1)
def test_same_octets_again(name: str) -> None:
    frames = ike_frames(name)
    in_clear = 0
    for frame in frames:
        header, body = decode_header(frame.message)
        if not header.encrypted:
            in_clear += 1
            body = encode_payloads(decode_payloads(header.next_payload, body))
        assert encode_header(header, len(body)) + body == frame.message
    assert (len(frames), in_clear) == IKEV1[name]


@pytest.mark.parametrize("name", IKEV2)
def test_ikev2_is_refused_by_its_version(name: str) -> None:
    frames = ike_frames(name)
    assert len(frames) == IKEV2[name]
    for frame in frames:
        assert is_ikev2(frame.message)
        with pytest.raises(PacketError, match="another version"):
            decode_header(frame.message)
    assert not any(is_ikev2(frame.message) for name in IKEV1 for frame in ike_frames(name))


def test_nat_d_of_type_15_is_read_where_draft_7_was_agreed() -> None:
    mm1, mm2, mm3, mm4 = clear(IOS_12)
    assert [vendor.nat_t(payload.value) for payload in mm2 if isinstance(payload, VendorId)] == [vendor.NatT.DRAFT_7]
    for message in (mm3, mm4):
        assert [payload.kind for payload in message if isinstance(payload, NatDetection)] == [Kind.NAT_D_DRAFT_7] * 2
    assert vendor.nat_t_in_common([p.value for p in mm1 if isinstance(p, VendorId)]) == vendor.NAT_T_DRAFT_7


def test_ios_own_vid_begins_with_its_cookie() -> None:
    for name in (IOS_12, IOS_15):
        for frame in ike_frames(name)[2:4]:
            header, body = decode_header(frame.message)
            sent_by_initiator = frame.source == ike_frames(name)[0].source
            cookie = header.cookie_i if sent_by_initiator else header.cookie_r
            own = [p.value for p in decode_payloads(header.next_payload, body) if isinstance(p, VendorId)]
            assert any(value == vendor.ios(cookie, value[8:]) for value in own if len(value) == 16)


def test_a_transform_with_an_attribute_twice_is_no_good_and_no_crash() -> None:
    (message,) = clear("OISF__suricata-verify/generated.pcap")
    sa = next(payload for payload in message if isinstance(payload, Sa))
    found = sa.proposals[0].transforms[0].attributes
    with pytest.raises(PacketError, match="stands twice"):
        attributes.numbers(found)


def test_a_notify_in_clear() -> None:
    notifies = [p for message in clear("cisco__joy/ikev1.pcap") for p in message if isinstance(p, Notification)]
    assert [notify.type for notify in notifies] == [NotifyType.NO_PROPOSAL_CHOSEN]


def test_what_ios_proposes() -> None:
    """AES-128, SHA-1, group 2, pre-shared key, 86400 s, in that order (the sheet's row of attributes)."""
    sa = next(payload for payload in clear(IOS_15)[0] if isinstance(payload, Sa))
    (proposal,) = sa.proposals
    (transform,) = proposal.transforms
    assert (proposal.number, proposal.protocol, proposal.spi, transform.number, transform.id) == (1, 1, b"", 1, 1)
    assert [(attribute.type, attribute.number) for attribute in transform.attributes] == [
        (Phase1.ENCRYPTION, 7),
        (Phase1.KEY_LENGTH, 128),
        (Phase1.HASH, 2),
        (Phase1.GROUP, 2),
        (Phase1.AUTHENTICATION, 1),
        (Phase1.LIFE_TYPE, 1),
        (Phase1.LIFE_DURATION, 86400),
    ]
