"""Phase 2 proposals: transform sets as they are offered, and which of a peer's is taken (RFC 2407 4.5)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from iosish.ike import attributes
from iosish.ike.attributes import (
    KILOBYTES,
    SECONDS,
    Attribute,
    EncapsulationMode,
    EspAuthentication,
    EspId,
    Phase2,
    Protocol,
    duration,
)
from iosish.ike.config import CryptoMap
from iosish.ike.dh import GROUPS
from iosish.ike.errors import PacketError
from iosish.ike.node import IPSEC_ERROR, ISAKMP, ISAKMP_ERROR, Node
from iosish.ike.payloads import Proposal, Sa
from iosish.ike.payloads import Transform as Offered
from iosish.ike.policies import duration_words
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform, TransformSet

IDS = {
    Cipher.DES: EspId.DES,
    Cipher.TRIPLE_DES: EspId.TRIPLE_DES,
    Cipher.NULL: EspId.NULL,
    Cipher.AES_CBC: EspId.AES_CBC,
    Cipher.AES_GCM: EspId.AES_GCM_16,
}
AUTHENTICATIONS = {
    Integrity.MD5: EspAuthentication.MD5,
    Integrity.SHA1: EspAuthentication.SHA1,
    Integrity.SHA256: EspAuthentication.SHA256,
    Integrity.SHA384: EspAuthentication.SHA384,
    Integrity.SHA512: EspAuthentication.SHA512,
}
_CIPHERS = {value: key for key, value in IDS.items()}
_INTEGRITIES = {value: key for key, value in AUTHENTICATIONS.items()}
_SIZED = frozenset({Cipher.AES_CBC, Cipher.AES_GCM})
_MODES = {
    EncapsulationMode.TUNNEL: (Mode.TUNNEL, False),
    EncapsulationMode.TRANSPORT: (Mode.TRANSPORT, False),
    EncapsulationMode.UDP_TUNNEL: (Mode.TUNNEL, True),
    EncapsulationMode.UDP_TRANSPORT: (Mode.TRANSPORT, True),
    EncapsulationMode.DRAFT_UDP_TUNNEL: (Mode.TUNNEL, True),
    EncapsulationMode.DRAFT_UDP_TRANSPORT: (Mode.TRANSPORT, True),
}
_LIFE = frozenset({Phase2.LIFE_TYPE, Phase2.LIFE_DURATION})
_ONCE = frozenset({Phase2.GROUP, Phase2.MODE, Phase2.AUTHENTICATION, Phase2.KEY_LENGTH})
#: By size: `set pfs groupN` refuses what is smaller.
_STRENGTH = {1: 768, 2: 1024, 5: 1536, 24: 2048, 14: 2049, 15: 3072, 19: 3073, 16: 4096, 20: 7680, 21: 15360}


@dataclass(frozen=True, slots=True)
class Choice:
    """What both ends agree on. `spi` is the peer's; `answer` the proposal that says so, still with that SPI.

    The lives are the shorter ones; `offered_s` and `offered_kb` what the initiator had said.
    """

    transform: Transform
    mode: Mode
    pfs: int | None
    lifetime_s: int
    lifetime_kb: int | None
    spi: int
    answer: Proposal
    offered_s: int | None
    offered_kb: int | None


@dataclass(frozen=True, slots=True)
class _Read:
    transform: Transform
    mode: Mode
    udp: bool
    pfs: int | None
    lifetime_s: int | None
    lifetime_kb: int | None


def offer(crypto_map: CryptoMap, spi: int, udp: bool, draft: bool) -> Sa:
    """A proposal for each transform set, numbered from 1, attributes in IOS's order."""
    return Sa(
        tuple(
            Proposal(
                number,
                Protocol.ESP,
                spi.to_bytes(4, "big"),
                (Offered(1, IDS[item.transform.cipher], _attributes(crypto_map, item, udp, draft)),),
            )
            for number, item in enumerate(crypto_map.sets, 1)
        )
    )


def _attributes(crypto_map: CryptoMap, item: TransformSet, udp: bool, draft: bool) -> tuple[Attribute, ...]:
    transform = item.transform
    values = [
        Attribute(Phase2.MODE, _mode_number(item.mode, udp, draft)),
        Attribute(Phase2.LIFE_TYPE, SECONDS),
        duration(Phase2.LIFE_DURATION, crypto_map.lifetime_s),
    ]
    if crypto_map.lifetime_kb is not None:
        values.append(Attribute(Phase2.LIFE_TYPE, KILOBYTES))
        values.append(duration(Phase2.LIFE_DURATION, crypto_map.lifetime_kb))
    if transform.integrity is not None:
        values.append(Attribute(Phase2.AUTHENTICATION, AUTHENTICATIONS[transform.integrity]))
    if transform.cipher in _SIZED:
        values.append(Attribute(Phase2.KEY_LENGTH, transform.key_bits))
    if crypto_map.pfs is not None:
        values.append(Attribute(Phase2.GROUP, crypto_map.pfs))
    return tuple(values)


def _mode_number(mode: Mode, udp: bool, draft: bool) -> int:
    if udp and draft:
        return EncapsulationMode.DRAFT_UDP_TUNNEL if mode is Mode.TUNNEL else EncapsulationMode.DRAFT_UDP_TRANSPORT
    if udp:
        return EncapsulationMode.UDP_TUNNEL if mode is Mode.TUNNEL else EncapsulationMode.UDP_TRANSPORT
    return EncapsulationMode.TUNNEL if mode is Mode.TUNNEL else EncapsulationMode.TRANSPORT


def choose(
    node: Node, peer: IPv4Address, connection: int, sa: Sa, crypto_map: CryptoMap, udp: bool, exchanged: bool
) -> Choice | None:
    """The first of the peer's proposals that fits a transform set; None: none does.

    `udp`: a NAT was found; `exchanged`: a KE payload came along.
    """
    bundles = Counter(proposal.number for proposal in sa.proposals)
    for proposal in sa.proposals:
        node.say(ISAKMP, peer, "ISAKMP:(%d):Checking IPSec proposal %d", connection, proposal.number)
        if proposal.protocol != Protocol.ESP or len(proposal.spi) != 4 or bundles[proposal.number] > 1:
            continue
        for offered in proposal.transforms:
            explain(node, peer, offered)
            read = _read(offered)
            problem = "attributes that contradict each other, or are unknown" if read is None else None
            if read is not None:
                problem = _problem(read, crypto_map, udp, exchanged)
                if problem is None:
                    node.say(ISAKMP, peer, "ISAKMP:(%d):atts are acceptable.", connection)
                    return _choice(read, crypto_map, replace(proposal, transforms=(offered,)))
            node.say(ISAKMP_ERROR, peer, "ISAKMP:(%d): IPSec policy invalidated proposal with error 256", connection)
            node.say(IPSEC_ERROR, peer, "IPSEC(ipsec_process_proposal): proposal not supported: %s", problem)
    node.say(
        ISAKMP_ERROR,
        peer,
        "ISAKMP:(%d): phase 2 SA policy not acceptable! (local %s remote %s)",
        connection,
        crypto_map.local,
        peer,
    )
    return None


def accepted(sa: Sa, crypto_map: CryptoMap, udp: bool, exchanged: bool) -> Choice:
    """What the responder has chosen of our offer. Raises PacketError."""
    if len(sa.proposals) != 1 or len(sa.proposals[0].transforms) != 1:
        raise PacketError("responder chose more than one transform")
    proposal = sa.proposals[0]
    read = _read(proposal.transforms[0])
    if proposal.protocol != Protocol.ESP or len(proposal.spi) != 4 or read is None:
        raise PacketError("responder chose what was not offered")
    mine = any(item.transform == read.transform and item.mode is read.mode for item in crypto_map.sets)
    if not mine or read.udp is not udp or read.pfs != crypto_map.pfs or (read.pfs is not None) != exchanged:
        raise PacketError("responder chose what was not offered")
    return _choice(read, crypto_map, proposal)


def _choice(read: _Read, crypto_map: CryptoMap, answer: Proposal) -> Choice:
    spi = int.from_bytes(answer.spi, "big")
    if spi < 256:
        raise PacketError("SPI is reserved")
    seconds = crypto_map.lifetime_s if read.lifetime_s is None else min(crypto_map.lifetime_s, read.lifetime_s)
    volumes = [value for value in (crypto_map.lifetime_kb, read.lifetime_kb) if value is not None]
    return Choice(
        transform=read.transform,
        mode=read.mode,
        pfs=read.pfs,
        lifetime_s=seconds,
        lifetime_kb=min(volumes, default=None),
        spi=spi,
        answer=answer,
        offered_s=read.lifetime_s,
        offered_kb=read.lifetime_kb,
    )


def _problem(read: _Read, crypto_map: CryptoMap, udp: bool, exchanged: bool) -> str | None:
    """Why an offer is not taken; None: it is."""
    if read.udp is not udp:
        return "encapsulation in UDP, but no NAT" if read.udp else "no encapsulation in UDP behind a NAT"
    if (read.pfs is not None) != exchanged or (read.pfs is not None and read.pfs not in GROUPS):
        return "a group without its KE payload, or the other way round"
    if crypto_map.pfs is not None and (
        read.pfs is None or _STRENGTH.get(read.pfs, 0) < _STRENGTH.get(crypto_map.pfs, 0)
    ):
        return "no perfect forward secrecy, or a smaller group"
    same = [item for item in crypto_map.sets if item.transform == read.transform]
    if not same:
        return "transform is in no set"
    if not any(_takes(item, read.mode) for item in same):
        return f"{read.mode.value.lower()} mode"
    return None


def _takes(item: TransformSet, mode: Mode) -> bool:
    """Tunnel takes tunnel alone; transport takes either, unless it is required."""
    return item.mode is mode or (item.mode is Mode.TRANSPORT and not item.require)


def _read(offered: Offered) -> _Read | None:
    """None: it contradicts itself, or says something that we do not know."""
    try:
        once = attributes.numbers(tuple(item for item in offered.attributes if item.type not in _LIFE))
        lives = attributes.lifetimes(offered.attributes, Phase2.LIFE_TYPE, Phase2.LIFE_DURATION)
    except PacketError:
        return None
    cipher = _CIPHERS.get(offered.id)  # type: ignore[call-overload]  # any number may come
    mode = _MODES.get(once.get(Phase2.MODE, 0))  # type: ignore[call-overload]
    authentication = once.get(Phase2.AUTHENTICATION)
    integrity = None if authentication is None else _INTEGRITIES.get(authentication)  # type: ignore[call-overload]
    if cipher is None or mode is None or not once.keys() <= _ONCE or 0 in lives.values():
        return None
    if authentication is not None and (integrity is None or cipher is Cipher.AES_GCM):
        return None
    bits = once.get(Phase2.KEY_LENGTH, 128 if cipher in _SIZED else 0)
    if bits not in ((128, 192, 256) if cipher in _SIZED else (0,)):
        return None
    return _Read(
        Transform(cipher, bits, integrity),
        mode[0],
        mode[1],
        once.get(Phase2.GROUP),
        lives.get(SECONDS),
        lives.get(KILOBYTES),
    )


def explain(node: Node, peer: IPv4Address, offered: Offered) -> None:
    """`debug crypto isakmp`: an offer in IOS's words."""
    if ISAKMP not in node.debug:
        return
    names = {EspId.AES_CBC: "ESP_AES", EspId.TRIPLE_DES: "ESP_3DES", EspId.DES: "ESP_DES", EspId.NULL: "ESP_NULL"}
    name = next((word for key, word in names.items() if key == offered.id), f"ESP {offered.id}")
    node.say(ISAKMP, peer, "ISAKMP: transform %d, %s", offered.number, name)
    node.say(ISAKMP, peer, "ISAKMP:   attributes in transform:")
    for attribute in offered.attributes:
        node.say(ISAKMP, peer, "ISAKMP:      %s", _words(attribute))


def _words(attribute: Attribute) -> str:
    number = attribute.number
    match attribute.type:
        case Phase2.MODE:
            mode = next((value for key, value in _MODES.items() if key == number), None)
            name = "unknown" if mode is None else f"{mode[0].value}{'-UDP' if mode[1] else ''}"
            return f"encaps is {number} ({name})"
        case Phase2.LIFE_TYPE:
            return f"SA life type in {'seconds' if number == SECONDS else 'kilobytes'}"
        case Phase2.LIFE_DURATION:
            return f"SA life duration {duration_words(attribute)}"
        case Phase2.AUTHENTICATION:
            names = {1: "HMAC-MD5", 2: "HMAC-SHA", 5: "HMAC-SHA256", 6: "HMAC-SHA384", 7: "HMAC-SHA512"}
            return f"authenticator is {names.get(number, number)}"
        case Phase2.KEY_LENGTH:
            return f"key length is {number}"
        case Phase2.GROUP:
            return f"group is {number}"
    return f"attribute {attribute.type} of {number}"
