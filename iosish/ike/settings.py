"""A new configuration: what it ends, what it lets go on, and what it lets begin again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iosish.ike import log_text
from iosish.ike.config import Authentication, Cipher, Hash, IkeConfig
from iosish.ipsec import transforms

if TYPE_CHECKING:
    from iosish.ike.core import Core

_OFFERED = ("policies", "keyrings", "profiles", "identity", "fqdn", "nat_traversal", "aggressive_disabled")
"""What a phase 1 of ours that is under way was begun with: it begins again."""


def apply(core: Core, wanted: IkeConfig, now: float) -> None:
    """Equal values change nothing. SAs that are up stay, as on IOS, unless nothing they belong to is left."""
    node, old = core.node, core.node.config
    if wanted == old:
        return
    node.config = wanted
    core.sas.half_open.limit = wanted.half_open_max
    if bool(wanted.maps) != bool(old.maps):
        node.tell(log_text.isakmp_on_off(bool(wanted.maps)))
    for protection in core.flows:
        if core.flows.map_of(protection.flow) is None:
            core.flows.end(protection, "no longer configured", now)
    locals_ = {crypto_map.local for crypto_map in wanted.maps.values()}
    for sa in core.sas:
        if sa.local not in locals_:
            core.sas.delete(sa, "no longer configured", now)
    if any(getattr(wanted, name) != getattr(old, name) for name in _OFFERED):
        for sa in core.sas:
            if sa.initiator and sa.up_at is None:
                core.sas.delete(sa, "configuration changed", now)
    _warn(core, wanted)
    for protection in core.flows:
        node.cancel("retry", protection.flow)
        protection.failures = 0
        core.flows.drive(protection, now)


def _warn(core: Core, wanted: IkeConfig) -> None:
    """Weak algorithms work; they are named once, however often a tunnel goes down and comes up."""
    if not wanted.maps:
        return
    words = _weak(wanted)
    if not core.weak.issuperset(words):
        core.node.tell(log_text.weak(words))
    core.weak.update(words)


def _weak(config: IkeConfig) -> list[str]:
    words: dict[str, None] = {}
    for policy in config.policies:
        if policy.authentication is Authentication.PRE_SHARE:
            if policy.cipher is not Cipher.AES:
                words[f"ISAKMP {'DES' if policy.cipher is Cipher.DES else '3DES'}"] = None
            if policy.hash is Hash.MD5:
                words["ISAKMP MD5"] = None
            if policy.group in (1, 2, 5):
                words[f"group {policy.group}"] = None
    for crypto_map in config.maps.values():
        for item in crypto_map.sets:
            if item.transform.cipher in (transforms.Cipher.DES, transforms.Cipher.TRIPLE_DES, transforms.Cipher.NULL):
                words[item.transform.cipher.value] = None
            if item.transform.integrity is transforms.Integrity.MD5:
                words[item.transform.integrity.value] = None
        if crypto_map.pfs in (1, 2, 5):
            words[f"group {crypto_map.pfs}"] = None
    return list(words)
