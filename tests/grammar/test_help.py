"""`?` after lines that people know by heart."""

from __future__ import annotations

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.help import complete, help_lines

SCREENS = {
    ("config-if", "tunnel mode gre "): """\
  ip          over IP
  ipv6        over IPv6
  multipoint  over IP (multipoint)""",
    ("config-if", "ip nhrp map multicast "): """\
  A.B.C.D  IP NBMA address
  dynamic  Dynamically learn destinations from client registrations on hub""",
    ("config-if", "ip nhrp nhs 10.0.0.1 "): """\
  cluster   Cluster of NHS
  nbma      NBMA address of NHS
  priority  Priority of NHS
  <cr>""",
    ("config-if", "ip nh"): "  nhrp  ",
    ("config-if", "tunnel key "): "  <0-4294967295>  key",
    ("enable", "terminal length "): "  <0-512>  Number of lines on screen (0 for no pausing)",
    ("enable", "copy running-config "): "  startup-config  Copy to startup configuration",
    ("exec", "show run"): "% Unrecognized command",
    ("exec", "show crypto isakmp sa "): """\
  active   Shows HA-enabled ISAKMP SAs in the active state
  count    Show ISAKMP SA count
  detail   Show ISAKMP SA Detail
  nat      Show ISAKMP SA NAT Detail
  standby  Shows HA-enabled ISAKMP SAs in the standby state
  vrf      Show ISAKMP SA as per VRF
  <cr>""",
    ("enable", "clear crypto sa "): """\
  counters  Reset the SA counters
  peer      Clear all SAs for a given crypto peer
  <cr>""",
    ("exec", "show dmvpn peer "): """\
  nbma    By its NBMA address
  tunnel  By its tunnel address""",
}


@pytest.mark.parametrize(("mode", "typed"), SCREENS)
def test_a_question_mark_lists_what_may_follow(grammar: Grammar, mode: str, typed: str) -> None:
    assert help_lines(grammar.modes[mode], typed) == SCREENS[mode, typed].split("\n")


@pytest.mark.parametrize(
    ("mode", "typed", "line"),
    [
        ("config-if", "tunnel prot", "tunnel protection "),
        ("config-if", "ip nhrp reg", "ip nhrp registration "),
        ("config", "ip ro", None),
        ("enable", "sh", "show "),
    ],
)
def test_tab_completes_the_only_word_that_fits(grammar: Grammar, mode: str, typed: str, line: str | None) -> None:
    assert complete(grammar.modes[mode], typed) == line


def test_every_word_has_a_help_text_that_says_something(grammar: Grammar) -> None:
    for mode in grammar.modes.values():
        for command in mode.commands():
            assert all(len(node.help.strip()) > 1 for node in command.words), command
