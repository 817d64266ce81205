"""Corners of the matcher and of taking back that real configurations come to."""

from __future__ import annotations

from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.cli.matcher import Match, match
from iosish.cli.render import render


def shown(grammar: Grammar, text: str) -> list[str]:
    loaded = load(grammar, text)
    assert not loaded.refused(), loaded.refused()
    return [line for line in render(grammar, loaded.config) if line != "!"]


def test_an_access_list_keeps_the_order_of_its_entries(grammar: Grammar) -> None:
    text = "ip access-list extended X\n deny ip any host 1.1.1.1\n permit ip any any\n deny tcp any any"
    assert shown(grammar, text) == text.split("\n")


def test_no_access_list_takes_the_whole_list(grammar: Grammar) -> None:
    text = "access-list 1 permit any\naccess-list 1 deny any\naccess-list 10 permit any\nno access-list 1"
    assert shown(grammar, text) == ["access-list 10 permit any"]


def test_a_name_may_be_quoted(grammar: Grammar) -> None:
    line = 'ip route 10.0.0.0 255.0.0.0 192.168.0.1 name "to the ISP"'
    assert shown(grammar, line) == [line]


def test_a_hidden_spelling_makes_no_abbreviation_ambiguous(grammar: Grammar) -> None:
    assert shown(grammar, "no ip dom look") == ["no ip domain lookup"]


def test_key_chain_inside_a_key_is_no_key_string(grammar: Grammar) -> None:
    text = "key chain A\n key 1\n  key-string secret\nkey chain B\n key 2"
    assert shown(grammar, text) == text.split("\n")


def test_protection_with_a_profile_of_ike_is_held_not_lost(grammar: Grammar) -> None:
    line = "tunnel protection ipsec profile P ikev2-profile Q"
    loaded = load(grammar, f"interface Tunnel0\n {line}")
    protection = loaded.config.interfaces["Tunnel0"].tunnel.protection
    assert protection is not None
    assert (protection.profile, protection.ikev2_profile) == ("P", "Q")
    assert f" {line}" in render(grammar, loaded.config)


def test_an_option_stands_once(grammar: Grammar) -> None:
    found = match(grammar.modes["config-if"], "ip nhrp nhs 10.0.0.1 nbma 1.1.1.1 multicast cluster 1 priority 2")
    assert isinstance(found, Match)
    assert not isinstance(match(grammar.modes["config-if"], found.text + " cluster 1"), Match)


def test_a_section_ends_where_its_last_line_says_so(grammar: Grammar) -> None:
    text = (
        "router bgp 65000\n"
        " address-family ipv4 vrf X\n"
        "  neighbor 10.0.0.1 remote-as 65001\n"
        " exit-address-family\n"
        " neighbor 10.0.0.2 remote-as 65002"
    )
    loaded = load(grammar, text)
    assert not loaded.refused()
    assert loaded.lines[-1].mode == "router bgp"


def test_a_warning_holds_no_secret(grammar: Grammar) -> None:
    [line] = load(grammar, "enable secret Sesame1").lines
    assert line.warning == "enable secret <secret>: enable asks for no password"


def test_a_line_is_wrong_where_the_mode_that_could_read_farthest_says(grammar: Grammar) -> None:
    loaded = load(grammar, "interface Tunnel0\n ip route 10.0.0.0 255.0.0.0\n i\n ip nhrp nhs\n")
    assert [line.reason for line in loaded.refused()] == [
        "% Incomplete command.",  # though `ip route` alone could be the interface's route-cache, or router
        '% Ambiguous command:  "i"',
        "% Incomplete command.",
    ]


def test_routes_are_listed_by_their_prefix_whichever_way_they_lead(grammar: Grammar) -> None:
    text = (
        "ip route 10.0.0.0 255.0.0.0 Null0\n"
        "ip route 0.0.0.0 0.0.0.0 172.16.0.1\n"
        "ip route 10.0.0.0 255.255.0.0 Tunnel0 192.168.0.1"
    )
    assert shown(grammar, text) == [text.split("\n")[index] for index in (1, 0, 2)]
