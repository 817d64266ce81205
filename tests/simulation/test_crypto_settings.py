"""What the crypto lines mean between routers: keys, profiles, names, shared tunnels, point-to-point GRE, keepalives."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from iosish.icmp.ping import PingRequest
from iosish.ipsec.transforms import Cipher
from tests.simulation.encrypted_lab import (
    NBMA,
    PROTECTED,
    Flow,
    Leaks,
    Read,
    agreed,
    answers,
    clear,
    everywhere,
    flow,
    idle,
    isakmp,
    make,
    run,
    spis,
    texts,
    with_lines,
    within,
)
from tests.simulation.test_cloud import ALL, registered

SPOKES = ("R2", "R3", "R4")
NO_KEY = "no crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0\n"


def of_spokes(lines: str) -> dict[str, str]:
    return dict.fromkeys(SPOKES, lines)


# --- changes of what is agreed --------------------------------------------------------------------------------------

OTHER = """crypto ipsec transform-set Other esp-3des esp-md5-hmac
crypto ipsec profile Second
 set transform-set Other
"""


@pytest.mark.parametrize(
    "lines",
    [
        "crypto ipsec transform-set MyTransformSet esp-3des esp-md5-hmac\n exit",
        "crypto ipsec profile MyProfile\n set transform-set Other",
        "interface Tunnel0\n tunnel protection ipsec profile Second",
    ],
    ids=["transform set", "set of the profile", "profile"],
)
def test_a_change_is_for_the_next_sas_and_clear_crypto_sa_makes_these(read: Read, lines: str) -> None:
    """As Cisco's command reference has it of `crypto ipsec transform-set`: existing SAs are left as they are."""
    lab = make(read, everywhere(OTHER))
    run(lab, 10)
    before = spis(lab, "R2", "R1")
    passing = Flow(lab["R2"], "192.168.0.1")
    for name in PROTECTED:
        lab[name].configure(read(with_lines(texts()[name], OTHER + lines)))
        run(lab, 1)
    passing.stop()
    assert spis(lab, "R2", "R1") == before and not passing.lost()
    leaks = Leaks(lab)
    clear(lab["R2"], "clear crypto sa")
    assert within(lab, 20, lambda: agreed(lab, "R2", "R1") and answers(lab, "R2"))
    made = flow(lab, "R2", "R1")
    assert made is not None and {sa.transform.cipher for sa in made.inbound} == {Cipher.TRIPLE_DES}
    assert not leaks


# --- keys -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["address 0.0.0.0", "address 0.0.0.0 0.0.0.0", "address 172.16.0.0 255.240.0.0 no-xauth"]
)
def test_wildcard_keys(read: Read, key: str) -> None:
    lab = make(read, everywhere(f"{NO_KEY}crypto isakmp key Wild {key}\n"))
    run(lab, 3.0)
    assert registered(lab) == ALL


def test_the_longest_match_counts(read: Read) -> None:
    """The hub has another key for each spoke, and a wrong one for all."""
    hub = NO_KEY + "crypto isakmp key Wrong address 0.0.0.0\n"
    hub += "".join(f"crypto isakmp key Of{name} address {NBMA[name]}\n" for name in SPOKES)
    added = {name: f"{NO_KEY}crypto isakmp key Of{name} address {NBMA['R1']}\n" for name in SPOKES}
    lab = make(read, {"R1": hub, **added})
    run(lab, 3.0)
    assert registered(lab) == ALL


def test_a_new_key_heals_a_wrong_one_without_reload(read: Read) -> None:
    lab = make(read, {"R3": f"{NO_KEY}crypto isakmp key Wrong address 0.0.0.0\n"})
    run(lab, 100.0)
    assert registered(lab) == ALL - {"192.168.0.3"}
    for name, peer in (("R1", "R3"), ("R3", "R1")):
        said = [event.text for _, event in lab[name].events if event.facility == "CRYPTO" and NBMA[peer] in event.text]
        assert any("Pre-Shared Key mismatch" in text for text in said), name
    lab["R3"].configure(read(texts()["R3"]))
    assert within(lab, 5.0, lambda: registered(lab) == ALL)


# --- keyrings, profiles, names --------------------------------------------------------------------------------------

RING = """{no_key}crypto keyring RING
 pre-shared-key address {peers} key InTheRing
crypto isakmp profile PEERS
 keyring RING
 match identity address {peers}
crypto ipsec profile MyProfile
 set isakmp-profile PEERS
"""


def test_keyrings_and_isakmp_profiles(read: Read) -> None:
    lab = make(read, everywhere(RING.format(no_key=NO_KEY, peers="172.16.0.0 255.255.0.0")))
    run(lab, 3.0)
    assert registered(lab) == ALL
    assert {sa.profile for name in NBMA for sa in isakmp(lab, name)} == {"PEERS"}
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    run(lab, 1.0)
    assert agreed(lab, "R2", "R4")


def test_a_profile_takes_only_whom_it_matches(read: Read) -> None:
    """R4 has the key, and is not in the hub's profile."""
    hub = RING.format(no_key=NO_KEY, peers="172.16.0.0 255.255.0.0").replace(
        " match identity address 172.16.0.0 255.255.0.0\n",
        f" match identity address {NBMA['R2']}\n match identity address {NBMA['R3']}\n",
    )
    lab = make(read, {"R1": hub, **of_spokes(f"{NO_KEY}crypto isakmp key InTheRing address 0.0.0.0\n")})
    leaks = Leaks(lab)
    run(lab, 60.0)
    assert registered(lab) == {"192.168.0.2", "192.168.0.3"}
    assert leaks == []


BY_NAME = """{no_key}crypto isakmp key {key} address {hub}
crypto isakmp profile HUB
 self-identity fqdn {name}.example.net
 match identity address {hub}
 keyring default
 initiate mode aggressive
crypto ipsec profile MyProfile
 set isakmp-profile HUB
"""


def test_spokes_known_by_name_alone_in_aggressive_mode(read: Read) -> None:
    """The hub has keys by name only, another for each spoke; no address stands in it."""
    hub = NO_KEY + "".join(f"crypto isakmp key Key{name} hostname {name}.example.net\n" for name in SPOKES)
    added = {name: BY_NAME.format(no_key=NO_KEY, key=f"Key{name}", hub=NBMA["R1"], name=name) for name in SPOKES}
    lab = make(read, {"R1": hub, **added})
    leaks = Leaks(lab)
    run(lab, 5.0)
    assert registered(lab) == ALL
    assert {sa.peer_identity for sa in isakmp(lab, "R1")} == {f"{name}.example.net" for name in SPOKES}
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.1")))
    assert leaks == []


def test_a_name_with_a_wrong_key_is_refused(read: Read) -> None:
    hub = NO_KEY + "".join(f"crypto isakmp key Key{name} hostname {name}.example.net\n" for name in SPOKES)
    added = {name: BY_NAME.format(no_key=NO_KEY, key="KeyR2", hub=NBMA["R1"], name=name) for name in SPOKES}
    lab = make(read, {"R1": hub, **added})
    run(lab, 60.0)
    assert registered(lab) == {"192.168.0.2"}


def test_identity_by_hostname_in_main_mode(read: Read) -> None:
    lab = make(read, everywhere("crypto isakmp identity hostname\nip domain name example.net\n"))
    run(lab, 3.0)
    assert registered(lab) == ALL
    assert {sa.peer_identity for sa in isakmp(lab, "R1")} == {f"{name}.example.net" for name in SPOKES}


# --- tunnels --------------------------------------------------------------------------------------------------------


def second_cloud(number: int) -> str:
    """Another cloud on the same source and with the same profile, told apart by its key."""
    nhrp = "" if number == 1 else f" ip nhrp map 192.168.1.1 {NBMA['R1']}\n ip nhrp nhs 192.168.1.1\n"
    return (
        "interface Tunnel0\n tunnel key 1\n tunnel protection ipsec profile MyProfile shared\n"
        f"interface Tunnel1\n ip address 192.168.1.{number} 255.255.255.0\n ip nhrp network-id 2\n{nhrp}"
        f" tunnel source 172.16.{number}5.2\n tunnel mode gre multipoint\n tunnel key 2\n"
        " tunnel protection ipsec profile MyProfile shared\n"
    )


def test_two_clouds_share_their_sas(read: Read) -> None:
    lab = make(read, {f"R{number}": second_cloud(number) for number in range(1, 5)})
    leaks = Leaks(lab)
    run(lab, 15.0)
    assert registered(lab) == ALL
    assert registered(lab, tunnel="Tunnel1") == {f"192.168.1.{number}" for number in (2, 3, 4)}
    for target in ("192.168.0.4", "192.168.1.4", "192.168.0.1", "192.168.1.1"):
        assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address(target))), target
    run(lab, 1.0)
    for name, peer in (("R1", "R2"), ("R2", "R1"), ("R2", "R4")):
        assert len(isakmp(lab, name, peer)) <= 2 and len(spis(lab, name, peer)) <= 2
        assert agreed(lab, name, peer)
    lab["R2"].configure(read(with_lines(texts()["R2"], second_cloud(2) + "interface Tunnel1\n shutdown\n")))
    run(lab, 5.0)
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.1")))
    assert leaks == []


def test_tunnels_that_do_not_share_have_sas_of_their_own(read: Read) -> None:
    """Two loopbacks as sources, two profiles."""
    lines = """crypto ipsec profile Other
 set transform-set MyTransformSet
interface Loopback0
 ip address 172.16.{number}6.1 255.255.255.255
interface Tunnel1
 ip address 192.168.1.{number} 255.255.255.0
 ip nhrp network-id 2
{nhrp} tunnel source Loopback0
 tunnel mode gre multipoint
 tunnel protection ipsec profile Other
"""
    nhrp = " ip nhrp map 192.168.1.1 172.16.16.1\n ip nhrp nhs 192.168.1.1\n"
    added = {f"R{n}": lines.format(number=n, nhrp=nhrp if n > 1 else "") for n in range(1, 5)}
    added["R5"] = "".join(f"ip route 172.16.{n}6.1 255.255.255.255 172.16.{n}5.2\n" for n in range(1, 5))
    lab = make(read, added)
    run(lab, 15.0)
    assert registered(lab) == ALL
    assert registered(lab, tunnel="Tunnel1") == {f"192.168.1.{number}" for number in (2, 3, 4)}
    flows = lab["R2"].router.ike_state(lab.world.now).flows
    assert {(str(each.local), str(each.peer)) for each in flows} == {
        ("172.16.25.2", "172.16.15.2"),
        ("172.16.26.1", "172.16.16.1"),
    }


POINT_TO_POINT = "interface Tunnel0\n tunnel mode gre ip\n tunnel destination {peer}\n"


def test_a_protected_point_to_point_spoke_of_a_multipoint_hub(read: Read) -> None:
    lab = make(read, {"R2": POINT_TO_POINT.format(peer=NBMA["R1"])})
    leaks = Leaks(lab)
    run(lab, 5.0)
    assert registered(lab) == ALL
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.0.4")))
    assert leaks == []


@pytest.mark.parametrize("mode", ["tunnel", "transport"])
def test_protected_gre_between_two_routers_without_nhrp(read: Read, mode: str) -> None:
    lines = """crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
 mode {mode}
interface Tunnel9
 ip address 192.168.9.{number} 255.255.255.252
 tunnel source {source}
 tunnel destination {peer}
 tunnel protection ipsec profile MyProfile
no interface Tunnel0
"""
    added = {
        "R2": lines.format(mode=mode, number=1, source=NBMA["R2"], peer=NBMA["R3"]),
        "R3": lines.format(mode=mode, number=2, source=NBMA["R3"], peer=NBMA["R2"]),
    }
    lab = make(read, added)
    leaks = Leaks(lab)
    run(lab, 3.0)
    assert agreed(lab, "R2", "R3")
    pings = Flow(lab["R2"], "192.168.9.2", 0.1)
    for command in (lab["R2"].clear_crypto_isakmp, lab["R3"].clear_crypto_isakmp):
        command(None)
        run(lab, 5.0)
        assert idle(lab, "R2", "R3")
    pings.stop()
    assert pings.lost() == []
    lab["R3"].clear_crypto_session(None)
    run(lab, 5.0)
    assert agreed(lab, "R2", "R3")
    lab.restart("R3", off_s=5.0)
    assert within(lab, 15.0, lambda: agreed(lab, "R2", "R3"))
    assert "(5/5)" in lab["R2"].ping(PingRequest(IPv4Address("192.168.9.2")))
    assert leaks == []


# --- keepalives and invalid SPIs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["periodic", "on-demand", ""])
def test_keepalives_find_a_peer_that_is_gone_and_only_such_a_peer(read: Read, how: str) -> None:
    lab = make(read, everywhere(f"crypto isakmp keepalive 10 3 {how}\n"))
    run(lab, 15.0)
    before = spis(lab, "R2", "R1")
    run(lab, 300.0)
    assert spis(lab, "R2", "R1") == before  # nobody was taken for dead
    pings = Flow(lab["R2"], "192.168.0.1", 1.0)
    lab["R1"].power_off()
    assert within(lab, 10 + 6 * 3 + 2, lambda: spis(lab, "R2", "R1") == set())
    assert not idle(lab, "R2", "R1")
    pings.stop()


@pytest.mark.parametrize("recovery", [True, False])
def test_an_end_of_point_to_point_gre_that_lost_its_memory(read: Read, recovery: bool) -> None:
    """It begins by itself, as its tunnel wants its SAs; its first message says that nothing is left of the old ones."""
    lines = """interface Tunnel9
 ip address 192.168.9.{number} 255.255.255.252
 tunnel source {source}
 tunnel destination {peer}
 tunnel protection ipsec profile MyProfile
no interface Tunnel0
"""
    lines += "crypto isakmp invalid-spi-recovery\n" if recovery else ""
    added = {
        "R2": lines.format(number=1, source=NBMA["R2"], peer=NBMA["R3"]),
        "R3": lines.format(number=2, source=NBMA["R3"], peer=NBMA["R2"]),
    }
    lab = make(read, added)
    run(lab, 5.0)
    pings = Flow(lab["R2"], "192.168.9.2", 0.5)
    run(lab, 5.0)
    old = spis(lab, "R2", "R3")
    lab.restart("R3")
    assert within(lab, 5.0, lambda: agreed(lab, "R2", "R3") and not old & spis(lab, "R2", "R3"))
    pings.stop()
    assert len(pings.lost()) <= 6


# --- restarts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("off_s", [0.5, 20.0, 300.0])
@pytest.mark.parametrize(("timeout", "within_s"), [(" ip nhrp registration timeout 5\n", 45.0), ("", 2500.0)])
def test_a_hub_that_was_off(read: Read, off_s: float, timeout: str, within_s: float, seed: int) -> None:
    """Without the line a spoke registers every 2,400 s, a third of the hold time; so long it may not notice."""
    lab = make(read, of_spokes(f"interface Tunnel0\n{timeout}"), seed=seed)
    leaks = Leaks(lab)
    run(lab, 15.0)
    lab.restart("R1", off_s=off_s)
    assert within(lab, within_s, lambda: registered(lab) == ALL and all(answers(lab, name) for name in SPOKES))
    run(lab, 10.0)
    for name in SPOKES:
        assert "(5/5)" in lab[name].ping(PingRequest(IPv4Address("192.168.0.1")))
        assert agreed(lab, name, "R1")
    assert leaks == []


@pytest.mark.parametrize("off_s", [0.5, 100.0])
@pytest.mark.parametrize("lines", ["crypto isakmp invalid-spi-recovery\n", "crypto isakmp keepalive 10 2 periodic\n"])
def test_a_spoke_that_was_off_is_back_for_hub_and_spokes(read: Read, lines: str, off_s: float) -> None:
    """The hub hears of it by the registration, another spoke by what these lines are for."""
    lab = make(read, everywhere(lines))
    leaks = Leaks(lab)
    run(lab, 15.0)
    assert "(5/5)" in lab["R3"].ping(PingRequest(IPv4Address("192.168.0.2")))
    run(lab, 1.0)
    assert agreed(lab, "R3", "R2")
    lab.restart("R2", off_s=off_s)
    assert within(lab, 12.0, lambda: answers(lab, "R2") and registered(lab) == ALL)
    assert agreed(lab, "R1", "R2")
    pings = Flow(lab["R3"], "192.168.0.2", 0.5)
    assert within(lab, 30.0, lambda: agreed(lab, "R3", "R2"))
    healed = lab.world.now
    run(lab, 5.0)
    pings.stop()
    assert [at for at in pings.lost() if at > healed + 1.0] == []
    assert leaks == []


def test_a_hub_whose_forwarder_dies_is_back_in_seconds(read: Read) -> None:
    lab = make(read)
    run(lab, 15.0)
    leaks = Leaks(lab)
    old = {name: spis(lab, name, "R1") for name in SPOKES}
    lab["R1"].plane.lose_sas()
    run(lab, 5.0)
    assert registered(lab) == ALL
    for name in SPOKES:
        assert agreed(lab, "R1", name) and not old[name] & spis(lab, name, "R1")
        assert "(5/5)" in lab[name].ping(PingRequest(IPv4Address("192.168.0.1")))
    assert leaks == []
