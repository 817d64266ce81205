"""`show crypto isakmp policy`, `default policy`, `key` and `profile`: what phase 1 is configured to do."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from iosish.config.crypto import (
    ANY,
    DEFAULT_POLICIES,
    HOST,
    Isakmp,
    IsakmpPolicy,
    IsakmpProfile,
    Keyring,
)
from iosish.show.text import page
from iosish.snapshot import Snapshot

GLOBAL = ("", "Global IKE policy")
DEFAULT = ("", "Default IKE policy")
SUITE = "Protection suite of priority {priority}"
DEFAULT_SUITE = "Default protection suite of priority {priority}"
#: Before IOS 12.4(20)T one suite without a number came last, whatever was configured.
DEFAULT_SUITE_12 = "Default protection suite"
DEFAULT_POLICY_12 = IsakmpPolicy(65535)
NO_DEFAULT = "Default IKE policies are disabled"
POLICY = (
    "\tencryption algorithm:\t{encryption}",
    "\thash algorithm:\t\t{hash}",
    "\tauthentication method:\t{authentication}",
    "\tDiffie-Hellman group:\t#{group} ({bits})",
    "\tlifetime:\t\t{lifetime} seconds, no volume limit",
)
ENCRYPTION = {
    "des": "DES - Data Encryption Standard (56 bit keys).",
    "3des": "Three key triple DES",
    "aes": "AES - Advanced Encryption Standard (128 bit keys).",
    "aes 128": "AES - Advanced Encryption Standard (128 bit keys).",
    "aes 192": "AES - Advanced Encryption Standard (192 bit keys).",
    "aes 256": "AES - Advanced Encryption Standard (256 bit keys).",
}
HASH = {
    "md5": "Message Digest 5",
    "sha": "Secure Hash Standard",
    "sha256": "Secure Hash Standard 2 (256 bit)",
    "sha384": "Secure Hash Standard 2 (384 bit)",
    "sha512": "Secure Hash Standard 2 (512 bit)",
}
AUTHENTICATION = {
    "pre-share": "Pre-Shared Key",
    "rsa-sig": "Rivest-Shamir-Adleman Signature",
    "rsa-encr": "Rivest-Shamir-Adleman Encryption",
    "ecdsa-sig": "Elliptic Curve Digital Signature",
}
GROUP = {
    1: "768 bit",
    2: "1024 bit",
    5: "1536 bit",
    14: "2048 bit",
    15: "3072 bit",
    16: "4096 bit",
    19: "256 bit",
    20: "384 bit",
    21: "521 bit",
    24: "2048 bit, 256 bit subgroup",
}

KEY_COLUMNS = ("Keyring      Hostname/Address                            Preshared Key", "")
KEY = "{keyring:<13}{peer:<44}{key}"
MASKED = "{address:<15}[{mask:<15}]"
SEALED = "(encrypted)"

PROFILE = "IKEv1 PROFILE {name}"
PROFILE_12 = "ISAKMP PROFILE {name}"
REFERENCES = "Ref Count = {count}"
IDENTITIES = "   Identities matched are:"
IDENTITY = "    {identity} "
PROFILE_END = (
    "   Certificate maps matched are:",
    "   keyring(s): {keyrings}",
    "   trustpoint(s): <all>",
)


def policy(snapshot: Snapshot) -> str:
    """`show crypto isakmp policy`: what is configured, else the default policies that IKE then proposes."""
    isakmp = snapshot.config.crypto.isakmp
    lines = list(GLOBAL)
    for priority in sorted(isakmp.policies):
        lines += _policy(SUITE, isakmp.policies[priority])
    if snapshot.like_12_4:
        lines += _policy(DEFAULT_SUITE_12, DEFAULT_POLICY_12)
    elif not isakmp.policies and isakmp.default_policy:
        lines = [*DEFAULT, *(line for policy in DEFAULT_POLICIES for line in _policy(SUITE, policy))]
    return page(lines)


def default_policy(snapshot: Snapshot) -> str:
    """`show crypto isakmp default policy`."""
    if not snapshot.config.crypto.isakmp.default_policy:
        return page([NO_DEFAULT])
    return page(["", *(line for policy in DEFAULT_POLICIES for line in _policy(DEFAULT_SUITE, policy))])


def _policy(heading: str, policy: IsakmpPolicy) -> Iterator[str]:
    for line in (heading, *POLICY):
        yield line.format(
            priority=policy.priority,
            encryption=ENCRYPTION.get(policy.encryption, policy.encryption),
            hash=HASH.get(policy.hash, policy.hash),
            authentication=AUTHENTICATION.get(policy.authentication, policy.authentication),
            group=policy.group,
            bits=GROUP.get(policy.group, "unknown"),
            lifetime=policy.lifetime_s,
        )


def key(snapshot: Snapshot) -> str:
    """`show crypto isakmp key`: the keys of each keyring, the global ones as `default`. What is sealed stays sealed."""
    crypto, hidden = snapshot.config.crypto, bool(snapshot.config.password_encryption)
    lines = list(KEY_COLUMNS)
    keyrings: dict[str, Isakmp | Keyring] = {"default": crypto.isakmp, **crypto.keyrings}
    for name, keyring in keyrings.items():
        for place, (peer, secret) in enumerate(_keys(keyring)):
            shown = secret if secret is not None and not hidden else SEALED
            lines.append(KEY.format(keyring="" if place else name, peer=peer, key=shown))
    return page(lines)


def _keys(keyring: Isakmp | Keyring) -> Iterator[tuple[str, str | None]]:
    """Whom each key is for, and the key itself unless it is sealed."""
    for entry in keyring.keys.values():
        yield _peer(entry.address, entry.mask), entry.key
    for named in keyring.hostname_keys.values():
        yield named.hostname, named.key
    for prefix in keyring.ipv6_keys.values():
        yield prefix.prefix, prefix.key


def _peer(address: IPv4Address, mask: IPv4Address) -> str:
    """An address with its mask; 0.0.0.0 is everybody, whatever mask it is kept with."""
    if address == ANY:
        mask = ANY
    return str(address) if mask == HOST else MASKED.format(address=str(address), mask=str(mask))


def profile(snapshot: Snapshot, name: str | None = None) -> str:
    """`show crypto isakmp profile [tag NAME]`."""
    old = snapshot.like_12_4
    lines: list[str] = []
    for profile in snapshot.config.crypto.isakmp.profiles.values():
        if name in (None, profile.name):
            lines.append((PROFILE_12 if old else PROFILE).format(name=profile.name))
            if not old:
                lines.append(REFERENCES.format(count=_references(snapshot, profile.name)))
            lines.append(IDENTITIES)
            lines += [IDENTITY.format(identity=identity) for identity in _identities(profile)]
            keyrings = " ".join(profile.keyrings) or "<none>"
            lines += [line.format(keyrings=keyrings) for line in PROFILE_END]
    return page(lines)


def _references(snapshot: Snapshot, name: str) -> int:
    """How many IPsec profiles and tunnels name this profile."""
    profiles = snapshot.config.crypto.ipsec.profiles.values()
    protections = (interface.tunnel.protection for interface in snapshot.config.interfaces.values())
    return sum(profile.isakmp_profile == name for profile in profiles) + sum(
        protection is not None and protection.isakmp_profile == name for protection in protections
    )


def _identities(profile: IsakmpProfile) -> Iterator[str]:
    for match in profile.addresses.values():
        if match.address == ANY:
            yield "ip-address 0.0.0.0"
        elif match.mask == HOST:
            yield f"ip-address {match.address}"
        else:
            yield f"ip-address {match.address} {match.mask}"
    for host in profile.hosts:
        yield f"fqdn {host}"
