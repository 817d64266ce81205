"""`show crypto ipsec transform-set`, `profile`, `security-association lifetime`, and `show crypto map`."""

from __future__ import annotations

from collections.abc import Iterator

from iosish.config.crypto import DEFAULT_IPSEC_PROFILE, Ipsec, IpsecProfile, TransformSet
from iosish.ike.state import FlowState
from iosish.show.crypto_flows import by_interface, interfaces, maps, profile_of
from iosish.show.text import page
from iosish.snapshot import Snapshot

TRANSFORM_SET = (
    "Transform set {name}: {{ {transforms}  }} ",
    "   will negotiate = {{ {mode},  }}, ",
    "   ",
)

PROFILE = "IPSEC profile {name}"
ISAKMP_PROFILE = "\tISAKMP Profile: {name}"
IKEV2_PROFILE = "\tIKEv2 Profile: {name}"
LIFETIME = ("Security association lifetime: {kilobytes} kilobytes/{seconds} seconds",)
LIFETIME_NO_VOLUME = (
    "Kilobyte Volume Rekey has been disabled.",
    "Security association lifetime:{seconds} seconds",
)
RESPONDER_ONLY = "\tResponder-Only (Y/N): N"
PFS = "\tPFS (Y/N): {pfs}"
PFS_GROUP = "\tDH group:  group{group}"
MIXED_MODE = "\tMixed-mode : Disabled"
SETS = ("\tTransform sets={ ", "\t}")
SET = "\t\t{name}:  {{ {transforms}  }} , "

NO_MAPS = "No crypto maps found."
MAP = 'Crypto Map IPv4 "{tag}" {sequence} ipsec-isakmp'
#: `tunnel protection` makes maps of which the profile is the first entry and each peer a further one.
FIRST_SEQUENCE = 65536
MAP_PROFILE = "\tProfile name: {profile}"
MAP_INSTANCE = (
    "\tMap is a PROFILE INSTANCE.",
    "\tPeer = {peer}",
    "\tAccess-List SS dynamic: False",
    "\tExtended IP access list ",
    "\t    access-list  permit gre host {local} host {selector}",
    "\tCurrent peer: {peer}",
)
MAP_INTERFACES = "\tInterfaces using crypto map {tag}:"
MAP_INTERFACE = "\t\t{interface}"


def transform_set(snapshot: Snapshot, name: str | None = None) -> str:
    """`show crypto ipsec transform-set [NAME]`."""
    lines: list[str] = []
    ipsec = snapshot.config.crypto.ipsec
    for known, transforms in (ipsec.transform_sets if snapshot.like_12_4 else ipsec.all_transform_sets).items():
        if name in (None, known):
            mode = "Tunnel" if transforms.mode == "tunnel" else "Transport"
            lines += [line.format(name=known, transforms=_words(transforms), mode=mode) for line in TRANSFORM_SET]
    return page(lines)


def profile(snapshot: Snapshot, name: str | None = None) -> str:
    """`show crypto ipsec profile [tag NAME]`; the profile `default` always stands, from IOS 15 on."""
    ipsec = snapshot.config.crypto.ipsec
    profiles = ipsec.profiles if snapshot.like_12_4 else ipsec.all_profiles
    lines: list[str] = []
    for known, settings in profiles.items():
        if name in (None, known):
            lines += [PROFILE.format(name=known), *_profile(snapshot, settings), ""]
    return page(lines)


def lifetime(snapshot: Snapshot) -> str:
    """`show crypto ipsec security-association lifetime`: the global ones."""
    return page(_lifetime(snapshot.config.crypto.ipsec, DEFAULT_IPSEC_PROFILE))


def crypto_map(snapshot: Snapshot, interface: str | None = None, tag: str | None = None) -> str:
    """`show crypto map [interface X | tag NAME]`: the maps that `tunnel protection` made."""
    lines: list[str] = []
    for known in maps(snapshot):
        tunnels = interfaces(snapshot, known)
        if tag in (None, known) and (interface is None or interface in tunnels):
            flows = {
                (flow.local, flow.peer): flow
                for name, there in by_interface(snapshot)
                if name in tunnels
                for flow in there
                if flow.crypto_map == known
            }
            name = profile_of(snapshot, tunnels[0]) or ""
            lines += _map(snapshot, known, name, list(flows.values()))
            lines += [MAP_INTERFACES.format(tag=known), *(MAP_INTERFACE.format(interface=name) for name in tunnels), ""]
    return page(lines or [NO_MAPS])


def _map(snapshot: Snapshot, tag: str, profile: str, flows: list[FlowState]) -> Iterator[str]:
    settings = snapshot.config.crypto.ipsec.all_profiles.get(profile, DEFAULT_IPSEC_PROFILE)
    yield MAP.format(tag=tag, sequence=FIRST_SEQUENCE)
    yield MAP_PROFILE.format(profile=profile)
    yield from _profile(snapshot, settings)
    for sequence, flow in enumerate(flows, FIRST_SEQUENCE + 1):
        yield from ("", MAP.format(tag=tag, sequence=sequence))
        for line in MAP_INSTANCE:
            yield line.format(peer=flow.peer, local=flow.selector_local, selector=flow.selector_peer)
        yield from _profile(snapshot, settings)


def _profile(snapshot: Snapshot, profile: IpsecProfile) -> Iterator[str]:
    ipsec = snapshot.config.crypto.ipsec
    sets = ipsec.all_transform_sets
    if profile.ikev2_profile is not None:
        yield IKEV2_PROFILE.format(name=profile.ikev2_profile)
    if profile.isakmp_profile is not None:
        yield ISAKMP_PROFILE.format(name=profile.isakmp_profile)
    yield from (f"\t{line}" for line in _lifetime(ipsec, profile))
    yield RESPONDER_ONLY
    yield PFS.format(pfs="N" if profile.pfs is None else "Y")
    if profile.pfs is not None:
        yield PFS_GROUP.format(group=profile.pfs)
    yield MIXED_MODE
    yield SETS[0]
    for name in profile.sets:
        yield SET.format(name=name, transforms=_words(sets[name]) if name in sets else "")
    yield SETS[1]


def _lifetime(ipsec: Ipsec, profile: IpsecProfile) -> Iterator[str]:
    kilobytes = ipsec.lifetime_kb if profile.lifetime_kb is None else profile.lifetime_kb
    seconds = (profile.lifetime or ipsec.lifetime).total_s
    for line in LIFETIME if kilobytes else LIFETIME_NO_VOLUME:
        yield line.format(kilobytes=kilobytes, seconds=seconds)


def _words(transforms: TransformSet) -> str:
    """`esp-256-aes esp-sha-hmac`: the size of a key stands before `aes`, and behind `gcm`."""
    return " ".join(_spelt(transform) for transform in transforms.transforms)


def _spelt(transform: str) -> str:
    match transform.split():
        case ["esp-aes", "128"]:
            return "esp-aes"
        case ["esp-aes", bits]:
            return f"esp-{bits}-aes"
        case ["esp-gcm", "128"]:
            return "esp-gcm"
        case _:
            return transform
