"""Lines of a startup-config that are refused: they are there after each start and save, and nothing else is lost."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.cli.check import check
from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.cli.render import render
from iosish.config.refused import MARK
from iosish.interfaces import held
from tests.terminal.shipped import shipped_grammar


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return shipped_grammar()


def saved(grammar: Grammar, text: str) -> str:
    return "\n".join(render(grammar, load(grammar, text).config))


STARTUP = """\
hostname R1
frobnicate the network
 with this
  and that
interface Tunnel0
 ip address 10.0.0.1 255.255.0.255
 tunnel frob 7
 ip mtu 1400
interface Bogus9
 ip address 10.0.0.2 255.0.0.0
 shutdown
line vty 0 4
 logins local
ip route nowhere
"""

SAVED = """\
hostname R1
!
interface Tunnel0
 no ip address
 ip mtu 1400
 ! refused: ip address 10.0.0.1 255.255.0.255
 ! refused: tunnel frob 7
!
line vty 0 4
 ! refused: logins local
!
! refused: frobnicate the network
! refused:  with this
! refused:   and that
!
! refused: interface Bogus9
! refused:  ip address 10.0.0.2 255.0.0.0
! refused:  shutdown
!
! refused: ip route nowhere
!"""


def test_they_stand_as_comments_in_their_mode_and_come_up_again_as_they_were(grammar: Grammar) -> None:
    assert saved(grammar, STARTUP) == SAVED
    assert saved(grammar, SAVED) == SAVED
    assert load(grammar, SAVED).config == load(grammar, STARTUP).config


def test_they_are_counted_and_told_with_their_numbers(grammar: Grammar, tmp_path: Path) -> None:
    for text in (STARTUP, SAVED):
        (tmp_path / "r.cfg").write_text(text)
        out = io.StringIO()
        _, refused = check(grammar, tmp_path / "r.cfg", out)
        assert refused == 10
    assert "r.cfg:6: refused: % Invalid input detected at '^' marker.\n    ip address 10.0.0.1 255" in out.getvalue()


def test_a_line_that_is_understood_by_now_is_taken(grammar: Grammar) -> None:
    text = SAVED.replace("tunnel frob 7", "tunnel key 7").replace("interface Bogus9", "interface Loopback9")
    config = load(grammar, text).config
    assert config.interfaces["Tunnel0"].tunnel.key == 7
    assert config.interfaces["Loopback9"].shutdown and config.interfaces["Loopback9"].ip_address
    assert "Loopback9" not in "".join(line for line in render(grammar, config) if line.startswith(MARK))


def test_what_is_right_counts_before_what_was_refused(grammar: Grammar) -> None:
    """The same address twice: whichever was first keeps it, in whatever order the interfaces are shown."""
    text = "interface Tunnel1\n ip address 10.0.0.1 255.0.0.0\ninterface Tunnel0\n ip address 10.0.0.2 255.0.0.0\n"
    once = saved(grammar, text)
    assert " ! refused: ip address 10.0.0.2 255.0.0.0" in once
    assert saved(grammar, once) == once
    assert load(grammar, once).config.interfaces["Tunnel1"].ip_address


@pytest.mark.parametrize(
    "entered",
    [
        " ip address 10.0.0.1 255.255.255.0",
        " no ip address",
    ],
)
def test_the_right_line_takes_its_place(grammar: Grammar, entered: str) -> None:
    base = load(grammar, STARTUP).config
    after = render(grammar, load(grammar, f"interface Tunnel0\n{entered}\n", base).config)
    assert " ! refused: ip address 10.0.0.1 255.255.0.255" not in after
    assert " ! refused: tunnel frob 7" in after


@pytest.mark.parametrize(
    "entered", [" ip mtu 1300", " tunnel key 7", " description ip address", " ip nhrp network-id 1"]
)
def test_another_line_does_not(grammar: Grammar, entered: str) -> None:
    base = load(grammar, STARTUP).config
    after = render(grammar, load(grammar, f"interface Tunnel0\n{entered}\n", base).config)
    assert " ! refused: ip address 10.0.0.1 255.255.0.255" in after and " ! refused: tunnel frob 7" in after


def test_a_banner_without_end_and_a_line_that_is_too_long(grammar: Grammar) -> None:
    text = f"banner motd #hello\nhostname R9\nfrob {'x' * 3000}\n"
    once = saved(grammar, text)
    assert once.startswith("hostname R9\n") and "! refused: banner motd #hello" in once
    assert f"! refused: frob {'x' * 3000}" in once
    assert saved(grammar, once) == once


@pytest.mark.parametrize("line", ["tunnel protection ipsec profiles X", "tunnel prot ipsec X", "tun p"])
def test_a_tunnel_whose_protection_was_refused_stays_down(grammar: Grammar, line: str) -> None:
    text = f"interface Tunnel0\n ip address 10.0.0.1 255.0.0.0\n tunnel mode gre multipoint\n {line} now\n"
    config = load(grammar, text).config
    reason = "tunnel protection: a line of the startup-config that was to protect it was refused"
    assert held(config, config.interfaces["Tunnel0"]) == reason
    with_no = load(grammar, "interface Tunnel0\n no tunnel protection\n", config).config
    assert (held(with_no, with_no.interfaces["Tunnel0"]) == reason) == (not line.startswith("tunnel protection"))


@given(
    st.lists(
        st.sampled_from([*STARTUP.split("\n"), *SAVED.split("\n"), " x", "  y", "zz", "banner motd #"]), max_size=30
    )
)
def test_saving_loses_nothing_and_doubles_nothing(lines: list[str]) -> None:
    grammar = shipped_grammar()
    once = saved(grammar, "\n".join(lines))
    assert saved(grammar, once) == once
