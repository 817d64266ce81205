"""Why a protected tunnel must stay down, in words for the user."""

from __future__ import annotations

from iosish.config import crypto
from iosish.config.model import Config, Interface
from iosish.config.refused import asks_for_protection
from iosish.ike.config import Authentication
from iosish.protection.keys import GLOBAL, astray, rings
from iosish.protection.policies import policies
from iosish.protection.tunnels import MULTIPOINT, isakmp_profile_name

#: Lines of an ISAKMP profile that are kept, and that a peer relies on.
_PROFILE_NEEDS = {
    "client authentication": "extended authentication is not supported yet",
    "client configuration": "client configuration is not supported yet",
}


def held(config: Config, interface: Interface) -> str | None:
    """Why a protected tunnel must stay down, in words for the user; None when it may run, or is not protected.

    What other tunnels have to do with it is for `Claims` to say.
    """
    if asks_for_protection(interface):
        return "a line of the startup-config that was to protect it was refused"
    protection = interface.tunnel.protection
    if protection is None:
        return None
    profile = config.crypto.ipsec.all_profiles.get(protection.profile)
    if profile is None:
        return f"IPsec profile {protection.profile} is not configured"
    where = f"IPsec profile {profile.name}"
    if protection.ikev2_profile or profile.ikev2_profile:
        return f"IKEv2 profile {protection.ikev2_profile or profile.ikev2_profile}: IKEv2 is not supported yet"
    for name in profile.sets:
        entry = config.crypto.ipsec.all_transform_sets.get(name)
        if entry is None:
            return f"transform set {name} of {where} is not configured"
        if reason := _unsupported(entry):
            return f"transform set {name} of {where}: {reason}"
    return _ike_held(config, interface)


def _ike_held(config: Config, interface: Interface) -> str | None:
    """Why IKE cannot make SAs for a tunnel."""
    isakmp = config.crypto.isakmp
    if not isakmp.enabled:
        return "ISAKMP is disabled (no crypto isakmp enable)"
    in_force = policies(config)
    if not in_force:
        return "there is no ISAKMP policy"
    if all(policy.authentication is not Authentication.PRE_SHARE for policy in in_force):
        return "no ISAKMP policy has `authentication pre-share`: certificates are not supported yet"
    if isakmp.identity == "dn":
        return "crypto isakmp identity dn: certificates are not supported yet"
    name = isakmp_profile_name(config, interface)
    profile = isakmp.profiles.get(name) if name is not None else None
    if name is not None and profile is None:
        return f"ISAKMP profile {name} is not configured"
    if profile is not None and (reason := isakmp_profile_held(config, profile)):
        return f"ISAKMP profile {name}: {reason}"
    peer = interface.tunnel.destination if interface.tunnel.mode != MULTIPOINT else None
    for ring in rings(config, profile):
        if peers := ring.unreadable(peer):
            return f"the pre-shared key for {peers} is encrypted (type 6) by another router and cannot be read"
    return None


def _unsupported(entry: crypto.TransformSet) -> str | None:
    """Why a transform set cannot be used."""
    if entry.ah is not None:
        return "AH is not supported"
    if entry.compression is not None:
        return "compression is not supported"
    if entry.cipher is None:
        return "it has no ESP cipher (esp-null is one)"
    if entry.cipher.split()[0] in ("esp-seal", "esp-gmac"):
        return f"{entry.cipher.split()[0]} is not supported"
    if entry.cipher == "esp-null" and entry.integrity is None:
        return "it neither encrypts nor authenticates"
    return "extended sequence numbers are not supported" if entry.esn else None


def isakmp_profile_held(config: Config, profile: crypto.IsakmpProfile) -> str | None:
    """Why an ISAKMP profile cannot be used."""
    if profile.vrf is not None:
        return f"VRF {profile.vrf}: VRFs are not supported yet"
    if profile.certificate_maps or profile.trustpoints:
        return "certificates are not supported yet"
    for line, reason in _PROFILE_NEEDS.items():
        if any(key[0].startswith(line) for key in profile.kept):
            return reason
    for name in profile.keyrings:
        if name == GLOBAL:
            continue
        keyring = config.crypto.keyrings.get(name)
        if keyring is None:
            return f"keyring {name} is not configured"
        if keyring.vrf is not None:
            return f"keyring {name} is in VRF {keyring.vrf}: VRFs are not supported yet"
        if astray(config, keyring.local_address):
            return f"the local-address of keyring {name} is no address of this router"
    if profile.self_identity is not None and profile.self_identity.kind not in ("address", "fqdn"):
        return f"self-identity {profile.self_identity.kind} is not supported"
    if astray(config, profile.local_address):
        return "its local-address is no address of this router"
    if not profile.hosts and all(match.vrf is not None for match in profile.addresses.values()):
        if profile.addresses:
            return "it matches peers in a VRF only: VRFs are not supported yet"
        return "it has no `match identity` line"
    return None
