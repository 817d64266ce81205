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
    ("enable", "copy running-config "): """\
  URL             File to copy to
  flash:          flash: file system
  nvram:          nvram: file system
  startup-config  Copy to startup configuration""",
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
    ("config", "logging console "): """\
  <0-7>          Logging severity level
  alerts         Immediate action needed           (severity=1)
  critical       Critical conditions               (severity=2)
  debugging      Debugging messages                (severity=7)
  emergencies    System is unusable                (severity=0)
  errors         Error conditions                  (severity=3)
  guaranteed     Guarantee console messages
  informational  Informational messages            (severity=6)
  notifications  Normal but significant conditions (severity=5)
  warnings       Warning conditions                (severity=4)
  <cr>""",
    ("config", "logging monitor e"): "  emergencies  errors  ",
    ("config", "logging monitor errors"): "  errors  ",
    ("config", "logging monitor 3"): "  <0-7>  ",
    ("config", "service timestamps log "): """\
  datetime  Timestamp with date and time
  uptime    Timestamp with system uptime
  <cr>""",
    ("enable", "debug "): """\
  all     Enable all debugging
  crypto  Cryptographic subsystem
  dmvpn   DMVPN debugging
  ip      IP information
  nhrp    NHRP protocol
  tunnel  Generic Tunnel Interface""",
    ("enable", "undebug crypto "): """\
  condition  Define debug condition filters
  ipsec      IPSEC processing
  isakmp     ISAKMP Key Management
  socket     Crypto Secure Socket Debug""",
    ("enable", "no debug nhrp "): """\
  cache      NHRP cache operations
  condition  NHRP conditional debugging
  error      NHRP errors
  packet     NHRP activity
  <cr>""",
    ("enable", "no "): """\
  debug    Debugging functions (see also 'undebug')
  monitor  Monitoring different system events""",
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
        ("config", "logging buffered deb", "logging buffered debugging "),
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
