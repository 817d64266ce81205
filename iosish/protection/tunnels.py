"""What protects which tunnel: its profiles, the name of its crypto map, and whose SA an incoming one is."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from itertools import count

from iosish.config.crypto import IpsecProfile
from iosish.config.model import Config, Interface

MULTIPOINT = "gre multipoint"


def profile_of(config: Config, interface: Interface) -> IpsecProfile | None:
    protection = interface.tunnel.protection
    return config.crypto.ipsec.all_profiles.get(protection.profile) if protection is not None else None


def isakmp_profile_name(config: Config, interface: Interface) -> str | None:
    """The ISAKMP profile that a tunnel asks for, by its own line or by that of its IPsec profile."""
    protection, profile = interface.tunnel.protection, profile_of(config, interface)
    if protection is not None and protection.isakmp_profile is not None:
        return protection.isakmp_profile
    return profile.isakmp_profile if profile is not None else None


def _source_of(config: Config, interface: Interface) -> IPv4Address | str | None:
    """A tunnel's source as the configuration alone tells it: an address where there is one."""
    source = interface.tunnel.source
    if isinstance(source, str):
        other = config.interfaces.get(source)
        return other.ip_address.address if other is not None and other.ip_address is not None else source
    return source


class MapTags:
    """What the protection of each tunnel is called: `Tunnel0-head-0`; that of all that share profile and source alike.

    The number of a shared one counts the sources of its profile, as they came, and stays while somebody has it: a
    change of one tunnel gives no other one another name, by which its SAs would go.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, dict[IPv4Address | str | None, int]] = {}

    def follow(self, config: Config) -> dict[str, str]:
        """The names by tunnel, from now on."""
        tags: dict[str, str] = {}
        wanted: dict[str, dict[IPv4Address | str | None, list[str]]] = {}
        for name, interface in config.interfaces.items():
            protection = interface.tunnel.protection
            if protection is None:
                continue
            if protection.shared:
                sources = wanted.setdefault(protection.profile, {})
                sources.setdefault(_source_of(config, interface), []).append(name)
            else:
                tags[name] = f"{name}-head-0"
        before, self._numbers = self._numbers, {}
        for profile, sources in wanted.items():
            known = before.get(profile, {})
            numbers = {source: known[source] for source in sources if source in known}
            free = (number for number in count(1) if number not in numbers.values())
            for source in sources:
                if source not in numbers:
                    numbers[source] = next(free)
            self._numbers[profile] = numbers
            for source, names in sources.items():
                tags.update((name, f"{profile}-head-{numbers[source]}") for name in names)
        return tags


class Claims:
    """Which tunnel has which peers, so that there is no doubt whose SA an incoming one is."""

    def __init__(self, config: Config, tags: Mapping[str, str]) -> None:
        self._config = config
        self._tags = tags
        self._taken: dict[tuple[IPv4Address, IPv4Address | None], tuple[str, str, str | None]] = {}

    def refusal(self, interface: Interface, source: IPv4Address) -> str | None:
        """Take the peers of a protected tunnel for it; or why it cannot run beside one that has them."""
        protection = interface.tunnel.protection
        if protection is None:
            return None
        peers = interface.tunnel.destination if interface.tunnel.mode != MULTIPOINT else None
        tag = self._tags[interface.name]
        isakmp_profile = isakmp_profile_name(self._config, interface)
        name, other_tag, other_profile = self._taken.setdefault((source, peers), (interface.name, tag, isakmp_profile))
        if other_tag != tag:
            return f"{name} with the same tunnel source is protected apart: both need one profile and `shared`"
        if other_profile != isakmp_profile:
            return f"it shares IPsec profile {protection.profile} with {name}, but not the ISAKMP profile"
        return None
