"""`show crypto ipsec transform-set`, `profile`, `security-association lifetime`, and `show crypto map`."""

from __future__ import annotations

from dataclasses import replace

from iosish.desired import Desired
from iosish.show.crypto_transforms import crypto_map, lifetime, profile, transform_set
from iosish.snapshot import Snapshot
from tests.show.crypto_routers import CLASSIC, crypto, odd_branch, secured_hub, secured_spoke
from tests.show.test_crypto_ipsec import shared

CLASSIC_SETS = """\
Transform set default: { esp-aes esp-sha-hmac  } 
   will negotiate = { Transport,  }, 
   
Transform set MyTransformSet: { esp-aes esp-sha-hmac  } 
   will negotiate = { Tunnel,  }, 
   
"""  # noqa: W291, W293 - IOS leaves blanks at the end of lines

STRONG_SETS = """\
Transform set default: { esp-aes esp-sha-hmac  } 
   will negotiate = { Transport,  }, 
   
Transform set STRONG-1: { esp-256-aes esp-sha256-hmac  } 
   will negotiate = { Transport,  }, 
   
Transform set STRONG-2: { esp-gcm 256  } 
   will negotiate = { Tunnel,  }, 
   
"""  # noqa: W291, W293 - IOS leaves blanks at the end of lines

CLASSIC_PROFILES = """\
IPSEC profile default
\tSecurity association lifetime: 4608000 kilobytes/3600 seconds
\tResponder-Only (Y/N): N
\tPFS (Y/N): N
\tMixed-mode : Disabled
\tTransform sets={ 
\t\tdefault:  { esp-aes esp-sha-hmac  } , 
\t}

IPSEC profile MyProfile
\tSecurity association lifetime: 4608000 kilobytes/3600 seconds
\tResponder-Only (Y/N): N
\tPFS (Y/N): N
\tMixed-mode : Disabled
\tTransform sets={ 
\t\tMyTransformSet:  { esp-aes esp-sha-hmac  } , 
\t}

"""  # noqa: W291 - IOS leaves blanks at the end of lines

STRONG_PROFILES = """\
IPSEC profile default
\tKilobyte Volume Rekey has been disabled.
\tSecurity association lifetime:3600 seconds
\tResponder-Only (Y/N): N
\tPFS (Y/N): N
\tMixed-mode : Disabled
\tTransform sets={ 
\t\tdefault:  { esp-aes esp-sha-hmac  } , 
\t}

IPSEC profile STRONG
\tISAKMP Profile: HUB
\tSecurity association lifetime: 100000 kilobytes/7200 seconds
\tResponder-Only (Y/N): N
\tPFS (Y/N): Y
\tDH group:  group14
\tMixed-mode : Disabled
\tTransform sets={ 
\t\tSTRONG-1:  { esp-256-aes esp-sha256-hmac  } , 
\t\tSTRONG-2:  { esp-gcm 256  } , 
\t}

"""  # noqa: W291 - IOS leaves blanks at the end of lines

SPOKE_MAP = """\
Crypto Map IPv4 "Tunnel0-head-0" 65536 ipsec-isakmp
\tProfile name: MyProfile
\tSecurity association lifetime: 4608000 kilobytes/3600 seconds
\tResponder-Only (Y/N): N
\tPFS (Y/N): N
\tMixed-mode : Disabled
\tTransform sets={ 
\t\tMyTransformSet:  { esp-aes esp-sha-hmac  } , 
\t}

Crypto Map IPv4 "Tunnel0-head-0" 65537 ipsec-isakmp
\tMap is a PROFILE INSTANCE.
\tPeer = 172.16.15.2
\tAccess-List SS dynamic: False
\tExtended IP access list 
\t    access-list  permit gre host 172.16.25.2 host 172.16.15.2
\tCurrent peer: 172.16.15.2
\tSecurity association lifetime: 4608000 kilobytes/3600 seconds
\tResponder-Only (Y/N): N
\tPFS (Y/N): N
\tMixed-mode : Disabled
\tTransform sets={ 
\t\tMyTransformSet:  { esp-aes esp-sha-hmac  } , 
\t}
\tInterfaces using crypto map Tunnel0-head-0:
\t\tTunnel0

"""  # noqa: W291 - IOS leaves blanks at the end of lines


def with_lines(lines: str, version: str = "15.9") -> Snapshot:
    router = secured_spoke()
    return replace(router, config=replace(router.config, crypto=crypto(lines), version=version))


def test_transform_sets_after_the_one_that_is_always_there() -> None:
    assert transform_set(secured_hub()) == CLASSIC_SETS
    assert transform_set(odd_branch()) == STRONG_SETS


def test_one_transform_set() -> None:
    screen = transform_set(odd_branch(), "STRONG-2")
    assert screen == "Transform set STRONG-2: { esp-gcm 256  } \n   will negotiate = { Tunnel,  }, \n   \n"
    assert transform_set(odd_branch(), "strong-2") == ""


def test_what_is_asked_for_and_not_built_is_shown_as_configured() -> None:
    screen = transform_set(with_lines("crypto ipsec transform-set T ah-sha-hmac esp-aes 192 esp-md5-hmac comp-lzs"))
    assert "Transform set T: { ah-sha-hmac esp-192-aes esp-md5-hmac comp-lzs  } \n" in screen


def test_12_4_has_no_defaults() -> None:
    router = with_lines(CLASSIC, "12.4")
    assert transform_set(router) == CLASSIC_SETS.partition("   \n")[2]
    assert profile(router) == CLASSIC_PROFILES.partition("\n\n")[2]


def test_profiles_with_their_sets_and_lifetimes() -> None:
    assert profile(secured_hub()) == CLASSIC_PROFILES
    assert profile(odd_branch()) == STRONG_PROFILES
    assert profile(secured_hub(), "MyProfile") == CLASSIC_PROFILES.partition("\n\n")[2]


def test_a_profile_without_sets_has_the_default_one_and_a_missing_one_is_empty() -> None:
    screen = profile(with_lines("crypto ipsec profile P"), "P")
    assert "\t\tdefault:  { esp-aes esp-sha-hmac  } , \n" in screen


def test_lifetimes() -> None:
    assert lifetime(secured_hub()) == "Security association lifetime: 4608000 kilobytes/3600 seconds\n"
    assert lifetime(odd_branch()) == (
        "Kilobyte Volume Rekey has been disabled.\nSecurity association lifetime:3600 seconds\n"
    )
    router = with_lines("crypto ipsec security-association lifetime seconds 7200")
    assert lifetime(router) == "Security association lifetime: 4608000 kilobytes/7200 seconds\n"


def test_tunnel_protection_makes_a_map_with_an_entry_for_each_peer() -> None:
    assert crypto_map(secured_spoke()) == SPOKE_MAP
    entries = [line for line in crypto_map(secured_hub()).splitlines() if line.startswith(("Crypto Map", "\tPeer"))]
    assert entries == [
        'Crypto Map IPv4 "Tunnel0-head-0" 65536 ipsec-isakmp',
        'Crypto Map IPv4 "Tunnel0-head-0" 65537 ipsec-isakmp',
        "\tPeer = 172.16.25.2",
        'Crypto Map IPv4 "Tunnel0-head-0" 65538 ipsec-isakmp',
        "\tPeer = 172.16.35.2",
        'Crypto Map IPv4 "Tunnel0-head-0" 65539 ipsec-isakmp',
        "\tPeer = 172.16.45.2",
    ]


def test_a_shared_map_names_its_tunnels_and_has_each_peer_once() -> None:
    screen = crypto_map(shared())
    assert screen.count("Peer = ") == 1
    assert "\tInterfaces using crypto map MyProfile-head-1:\n\t\tTunnel0\n\t\tTunnel1\n" in screen


def test_maps_of_one_interface_or_tag() -> None:
    assert crypto_map(odd_branch(), interface="Tunnel2") == crypto_map(odd_branch(), tag="Tunnel2-head-0")
    assert "Tunnel10" not in crypto_map(odd_branch(), interface="Tunnel2")
    assert crypto_map(odd_branch(), tag="X") == "No crypto maps found.\n"
    assert crypto_map(replace(secured_spoke(), desired=Desired())) == "No crypto maps found.\n"
