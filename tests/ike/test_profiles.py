"""ISAKMP profiles and keyrings: which peer comes under which map, and with which key."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from iosish.ike.config import CryptoMap, IkeConfig, IsakmpProfile, Keepalive, Keyring, PresharedKey
from tests.ike.link import AES_SHA, HUB, OTHER, SPOKE, TAG, Station, World, config, keyring, usable

SPOKES = (IPv4Network("172.16.25.0/24"),)
RING = Keyring("K", (PresharedKey(b"ring", IPv4Network("172.16.0.0/16")),))


def with_profile(profile: IsakmpProfile, *rings: Keyring, local: IPv4Address = HUB) -> IkeConfig:
    return config(
        local,
        profiles={profile.name: profile},
        isakmp_profile=profile.name,
        keyrings={ring.name: ring for ring in rings},
    )


def begin(world: World, hub: IkeConfig, spoke: IkeConfig, peer: IPv4Address = SPOKE) -> tuple[Station, Station]:
    stations = world.add(HUB, hub), world.add(peer, spoke)
    stations[1].request(HUB)
    world.run(2)
    return stations


def test_a_map_with_a_profile_takes_whom_the_profile_takes() -> None:
    world = World()
    profile = IsakmpProfile("P", networks=SPOKES, keyrings=("K",), keepalive=Keepalive(20))
    hub, _ = begin(world, with_profile(profile, RING), config(SPOKE, keyrings={"default": keyring(b"ring")}))
    assert usable(world, HUB, SPOKE)
    [sa] = hub.engine.state(world.now).isakmp
    assert (sa.profile, sa.keepalive) == ("P", Keepalive(20))


def test_it_takes_nobody_else() -> None:
    world = World()
    profile = IsakmpProfile("P", networks=SPOKES, keyrings=("K",))
    hub, spoke = begin(world, with_profile(profile, RING), config(OTHER, keyrings={"default": keyring(b"ring")}), OTHER)
    assert hub.states() == ["172.16.35.2 QM_IDLE 1001"]
    assert hub.sas == {}
    assert "%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Quick mode failed with peer at 172.16.35.2" in hub.log
    assert spoke.flow_events[0] == "down 172.16.15.2: peer says invalid id information"


def test_a_key_from_outside_the_keyrings_of_the_profile_does_not_open_it() -> None:
    world = World()
    profile = IsakmpProfile("P", networks=SPOKES, keyrings=("K",))
    narrow = Keyring("default", (PresharedKey(b"global", IPv4Network("172.16.25.2/32")),))
    hub, _ = begin(world, with_profile(profile, RING, narrow), config(SPOKE, keyrings={"default": keyring(b"global")}))
    assert hub.sas == {}
    assert any("key is not in the keyrings of the ISAKMP profile" in line for line in hub.log)


def test_the_initiator_uses_the_keyring_of_its_profile_and_checks_whom_it_got() -> None:
    world = World()
    profile = IsakmpProfile("P", networks=(IPv4Network("172.16.15.2/32"),), keyrings=("K",))
    hub = config(HUB, keyrings={"default": keyring(b"ring")})
    begin(world, hub, with_profile(profile, RING, keyring(b"global"), local=SPOKE))
    assert usable(world, HUB, SPOKE)
    world = World()
    stranger = replace(profile, networks=(IPv4Network("10.0.0.0/8"),))
    _, spoke = begin(world, hub, with_profile(stranger, RING, local=SPOKE))
    assert not usable(world, HUB, SPOKE)
    assert any("identity is not in the ISAKMP profile" in line for line in spoke.log)


def test_a_profile_that_cannot_be_used_says_why() -> None:
    world = World()
    spoke = world.add(SPOKE, with_profile(IsakmpProfile("P", held="it names a VRF"), RING, local=SPOKE))
    spoke.request(HUB)
    world.run(1)
    assert spoke.flow_events == ["down 172.16.15.2: ISAKMP profile P cannot be used: it names a VRF"]


def test_names_instead_of_addresses() -> None:
    world = World()
    profile = IsakmpProfile("P", hosts=("r2.example.com",), keyrings=("K",))
    spoke = config(SPOKE, keyrings={"default": keyring(b"ring")}, identity="hostname", fqdn="r2.example.com")
    hub, _ = begin(world, with_profile(profile, RING), spoke)
    assert usable(world, HUB, SPOKE)
    assert hub.engine.state(world.now).isakmp[0].profile == "P"


def test_a_map_that_names_the_peer_comes_before_one_that_takes_any() -> None:
    world = World()
    any_map = CryptoMap("Tunnel0-head-0", "any", ("Tunnel0",), HUB, (AES_SHA,))
    named = CryptoMap("Tunnel1-head-0", "named", ("Tunnel1",), HUB, (AES_SHA,), peers=frozenset({SPOKE}))
    hub = replace(config(HUB), maps={TAG: any_map, "Tunnel1-head-0": named})
    station, _ = begin(world, hub, config(SPOKE))
    other = world.add(OTHER)
    other.request(HUB)
    world.run(2)
    flows = {state.peer: state.crypto_map for state in station.engine.state(world.now).flows}
    assert flows == {SPOKE: "Tunnel1-head-0", OTHER: "Tunnel0-head-0"}


def test_nobody_is_taken_for_a_source_without_a_map_or_by_a_map_for_others() -> None:
    world = World()
    hub, _ = begin(world, config(HUB, peers=frozenset({OTHER})), config(SPOKE))
    assert hub.sas == {}
    assert any(line.startswith("%IOSISH-4-NO_CRYPTO_MAP: 172.16.25.2 wants IPsec with 172.16.15.2") for line in hub.log)
