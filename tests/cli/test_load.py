"""Configurations as they come in files and pastes: what is read, passed over and refused, line by line."""

from __future__ import annotations

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.load import KEPT, LIVE, MAX_LINE, REFUSED, SKIPPED, Line, Loaded, decode, load
from iosish.cli.render import render


def shown(grammar: Grammar, loaded: Loaded) -> list[str]:
    return [line for line in render(grammar, loaded.config) if line != "!"]


def read(grammar: Grammar, text: str | bytes) -> list[str]:
    """The configuration that comes of a text of which nothing is refused."""
    loaded = load(grammar, decode(text if isinstance(text, bytes) else text.encode()))
    assert not loaded.refused()
    return shown(grammar, loaded)


def refused(grammar: Grammar, text: str) -> list[tuple[int, str, int | None]]:
    return [(line.number, line.reason, line.column) for line in load(grammar, text).refused()]


TUNNEL = ["hostname R1", "interface Tunnel0", " ip address 10.0.0.1 255.255.255.0", " ip mtu 1400"]


@pytest.mark.parametrize(
    "text",
    [
        "hostname R1\ninterface Tunnel0\n ip address 10.0.0.1 255.255.255.0\n ip mtu 1400\n",
        "interface Tunnel0\n ip mtu 1400\n ip address 10.0.0.1 255.255.255.0\nhostname R1",
        "hostname R1\r\ninterface\tTunnel0\r\n\tip address 10.0.0.1\t255.255.255.0   \r\n\tip mtu 1400\r\nend\r\n",
        "hostname R1\rinterface Tunnel0\r ip address 10.0.0.1 255.255.255.0\r ip mtu 1400\r",
        "\ufeffhostname R1\nint tu0\nip add 10.0.0.1 255.255.255.0\nip mtu 1400",
        "   hostname R1\n      int tu 0\n  ip add 10.0.0.1 255.255.255.0\n            ip mtu 1400",
        "HOSTNAME R1\nINTERFACE TUNNEL0\n IP ADDRESS 10.0.0.1 255.255.255.0\n IP MTU 1400",
        "en\nconf t\nhostname R1\nint tu0\n ip add 10.0.0.1 255.255.255.0\n ip mtu 1400\nend\nwr mem\n",
        "enable\nconfigure terminal\nhostname R1\nend\nconf t\nint tu0\nip add 10.0.0.1 255.255.255.0\nip mtu 1400",
        "!\n! a comment\nhostname R1\n!\nint tu0\n !\n ip address 10.0.0.1 255.255.255.0\n\n ip mtu 1400\n!\nend",
        "hostname R1\nend\nint tu0\n ip address 10.0.0.1 255.255.255.0\n ip mtu 1400",
        "int tu0\n ip mtu 1400\nint lo1\nexit\nhostname R1\nint tu0\n ip add 10.0.0.1 255.255.255.0\nexit\nno int lo1",
        "R1#conf t\nR1(config)#hostname R1\nR1(config)#int tu0\nR1(config-if)# ip add 10.0.0.1 255.255.255.0\n"
        "R1(config-if)#do show ip interface brief\nR1(config-if)#ip mtu 1400\nR1(config-if)#end\nR1#show run\n",
        "Building configuration...\n\nCurrent configuration : 171 bytes\n!\nversion 15.9\n!\nhostname R1\n"
        "*Mar  1 00:00:00.000: %SYS-5-CONFIG_I: Configured from console by console\n"
        "interface Tunnel0\n ip address 10.0.0.1 255.255.255.0\n --More-- \n ip mtu 1400\nend\n",
        "hostname R1\ninterface Tunnel0\n --More-- \b\b\b\b\b\b\b\b\b         \b\b\b\b\b\b\b\b\b"
        " ip address 10.0.0.1 255.255.255.0\n ip mtu 1400",
        "host\0name R1\0\nint\0 tu0\n ip address 10.0.0.1 255.255.255.0\n ip mtu 1400\n\0",
        "int tu0\n ip mtu 1400\n ip add 10.0.0.1 255.255.255.0\n ip route 9.0.0.0 255.0.0.0 1.1.1.1\n hostname R1\n"
        " no ip route 9.0.0.0 255.0.0.0 1.1.1.1",
    ],
)
def test_one_router_in_many_spellings(grammar: Grammar, text: str) -> None:
    assert read(grammar, text) == TUNNEL


def test_a_line_of_global_configuration_leaves_the_section(grammar: Grammar) -> None:
    text = "int tu0\nip mtu 1400\nip route 10.0.0.0 255.0.0.0 1.1.1.1\nip mtu 1300"
    assert refused(grammar, text) == [(4, "% Invalid input detected at '^' marker.", 4)]


def test_a_range_opens_all_its_interfaces(grammar: Grammar) -> None:
    assert read(grammar, "interface range fa0/0 - 1 , lo1\n mtu 1400\nint range fa 0/1 - 1\n shutdown") == [
        *("interface Loopback1", " mtu 1400", " no ip address"),
        *("interface FastEthernet0/0", " mtu 1400", " no ip address"),
        *("interface FastEthernet0/1", " mtu 1400", " no ip address", " shutdown"),
    ]


def test_no_in_its_forms(grammar: Grammar) -> None:
    before = (
        "hostname R1\nint tu0\n ip mtu 1400\n ip nhrp map 10.0.0.1 1.1.1.1\n ip nhrp map 10.0.0.2 1.1.1.2\nint tu1\n"
        "ip route 10.1.0.0 255.255.0.0 10.0.0.2\nip route 10.1.0.0 255.255.0.0 10.0.0.3 200\n"
    )
    after = "int tu0\n no ip mtu\n no ip nhrp map 10.0.0.1 1.1.1.1\nno int tu1\nno int tu7\nno hostname\n"
    assert read(grammar, before + after + "no ip route 10.1.0.0 255.255.0.0 10.0.0.2") == [
        *("interface Tunnel0", " no ip address", " ip nhrp map 10.0.0.2 1.1.1.2"),
        "ip route 10.1.0.0 255.255.0.0 10.0.0.3 200",
    ]
    assert read(grammar, before + after + "no ip route 10.1.0.0 255.255.0.0")[-1] == " ip nhrp map 10.0.0.2 1.1.1.2"


def test_default_interface_leaves_it_there_as_new(grammar: Grammar) -> None:
    text = (
        "int lo0\n ip address 10.0.0.1 255.0.0.0\nint lo1\n shutdown\ndefault interface range lo0 - 1\ndefault int lo2"
    )
    assert read(grammar, text) == ["interface Loopback0", " no ip address", "interface Loopback1", " no ip address"]


def test_banners(grammar: Grammar) -> None:
    text = (
        "banner motd ^C\nHello! # x\nip route nonsense\n^C\nhostname R1\nbanner exec #one line#\nbanner login x abc x\n"
    )
    assert read(grammar, text) == [
        *("hostname R1", "banner exec #one line#", "banner login x abc x"),
        "banner motd ^C\nHello! # x\nip route nonsense\n^C",
    ]


def test_a_banner_whose_delimiter_is_a_control_character(grammar: Grammar) -> None:
    assert read(grammar, b"banner motd \x03CHello\x03\nhostname R1\n") == ["hostname R1", "banner motd ^CCHello^C"]


def test_a_banner_without_an_end_swallows_nothing(grammar: Grammar) -> None:
    loaded = load(grammar, "banner motd #\nhello\nhostname R1\nbanner exec ^C\ninterface Tunnel0\n")
    assert [(line.number, line.reason) for line in loaded.refused()] == [
        (1, "the banner has no end"),
        (2, "% Invalid input detected at '^' marker."),
        (4, "the banner has no end"),
    ]
    assert shown(grammar, loaded) == [
        "hostname R1",
        "interface Tunnel0",
        " no ip address",
        "! refused: banner motd #",
        "! refused: hello",
        "! refused: banner exec ^C",
    ]


@pytest.mark.parametrize(
    ("line", "reason", "column"),
    [
        ("interface", "% Incomplete command.", 9),
        ("interface tu", "% Incomplete command.", 10),
        ("interface Tunel0", "% Invalid input detected at '^' marker.", 13),
        ("ho R1 ! no comment", "% Invalid input detected at '^' marker.", 6),
        ("ip route 0.0.0.0 0.0.0.0", "% Incomplete command.", 24),
        ("ip route 10.1.1.1 255.255.255.0 10.0.0.2", "%Inconsistent address and mask", 0),
        ("i", '% Ambiguous command:  "i"', 0),
        ("no", "% Incomplete command.", 2),
        ("hostname " + "x" * 65536, f"longer than {MAX_LINE} characters", MAX_LINE),
    ],
)
def test_a_refused_line_has_ios_s_reason_and_a_caret(grammar: Grammar, line: str, reason: str, column: int) -> None:
    assert refused(grammar, f"{line}\nhostname R1") == [(1, reason, column)]
    assert shown(grammar, load(grammar, f"{line}\nhostname R1")) == ["hostname R1", f"! refused: {line}"]


def test_addresses_that_do_not_fit_are_refused_as_ios_does(grammar: Grammar) -> None:
    text = (
        "int fa0/0\n ip address 10.0.0.1 255.255.255.252\nint fa0/1\n ip address 10.0.0.2 255.255.255.0\n"
        " ip address 10.0.0.8 255.255.255.252\n ip address 10.0.0.9 255.0.255.0\n"
    )
    assert refused(grammar, text) == [
        (4, "% 10.0.0.0 overlaps with FastEthernet0/0", 1),
        (5, "Bad mask /30 for address 10.0.0.8", 1),
        (6, "% Invalid input detected at '^' marker.", 21),
    ]


def test_the_lines_below_a_refused_one_are_refused_with_it(grammar: Grammar) -> None:
    text = "interface Foo0\n ip address 1.1.1.1 255.0.0.0\n shutdown\nhostname R1"
    assert [(line.number, line.reason) for line in load(grammar, text).refused()][1:] == [
        (2, "belongs to a line that was refused"),
        (3, "belongs to a line that was refused"),
    ]


def test_the_verdicts_of_a_file(grammar: Grammar) -> None:
    text = "[OK]\nhostname R1\nip cef\nint tu0\n ip mtu 1400\n ip pim sparse-mode\nshow ip route\nxx\n"
    assert [(line.number, line.verdict, line.mode) for line in load(grammar, text).lines] == [
        (1, SKIPPED, "global"),
        (2, LIVE, "global"),
        (3, KEPT, "global"),
        (4, LIVE, "global"),
        (5, LIVE, "interface Tunnel"),
        (6, KEPT, "interface Tunnel"),
        (7, SKIPPED, "interface Tunnel"),
        (8, REFUSED, "interface Tunnel"),
    ]


def test_bytes_that_are_no_text_are_replaced_where_text_may_stand(grammar: Grammar) -> None:
    shown_ = read(grammar, b"int tu0\n description \xff\xfe caf\xc3\xa9 \x1b[31m\x07\n")
    assert shown_[1] == " description \ufffd\ufffd caf\xe9 [31m"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nonsense here", "nonsense here"),
        ("crypto isakmp key S3CRET adress 10.0.0.1", "crypto isakmp key ..."),
        ("crypto isakmp keys S3CRET", "crypto isakmp keys ..."),
        ("crypto isakmp keepalive 5", "crypto isakmp keepalive 5"),
        ("crypto isakmp key", "crypto isakmp key"),
        ("ip nhrp authentication S3CRET too", "ip nhrp authentication ..."),
        ("cry isa ke S3CRET address 10.0.0.1", "cry isa ke ..."),
        ("username bob PASS 7 S3CRET junk", "username bob PASS ..."),
        ("snmp-server community S3CRET nowhere", "snmp-server community ..."),
    ],
)
def test_a_refused_line_is_told_up_to_where_a_secret_may_stand(grammar: Grammar, line: str, told: str) -> None:
    (refused,) = load(grammar, line).refused() or [Line(1, line, REFUSED, "global")]
    assert refused.told == told


def test_an_ambiguous_line_is_not_quoted_where_others_read(grammar: Grammar) -> None:
    (line,) = load(grammar, "cry isakmp k S3CRET address 10.0.0.1\nhostname R1").refused()
    assert "S3CRET" in line.reason and "S3CRET" not in line.unquoted
