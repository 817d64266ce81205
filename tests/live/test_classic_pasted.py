"""The classic lab's five texts, pasted into five empty routers in whatever shape they were copied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iosish import resources
from tests.live.conftest import lab_of
from tests.live.lab import HUB, ROUTERS, SPOKES, Lab, configuration
from tests.live.terminal import Terminal

pytestmark = pytest.mark.live

TEXTS = {router: (resources.folder("running-configs") / "dmvpn" / f"{router}.cfg").read_text() for router in ROUTERS}

ABBREVIATED = {
    "hostname": "host",
    "interface FastEthernet": "int f",
    "interface Tunnel": "INT tu",
    "ip address": "ip add",
    "no shutdown": "no shut",
    "ip nhrp map multicast dynamic": "ip nhr map mu dyn",
    "ip nhrp map multicast": "ip nhr map mu",
    "ip nhrp network-id": "ip nh netw",
    "tunnel source": "tun so",
    "tunnel mode gre multipoint": "tun mo gre mu",
}


def at_the_prompt(text: str) -> str:
    return f"configure terminal\n{text}"


def without_separators(text: str) -> str:
    """No `!`, `exit` or `end`: from one interface straight into the next section."""
    return at_the_prompt("".join(f"{line}\n" for line in text.splitlines() if line not in ("!", "end")))


def with_exits(text: str) -> str:
    return at_the_prompt(re.sub(r"(?m)^( .*\n)(?! )", r"\1 exit\n", text).replace("end\n", "exit\n"))


def with_crlf(text: str) -> str:
    return at_the_prompt(text).replace("\n", "\r\n")


def with_trailing_blanks(text: str) -> str:
    return at_the_prompt("".join(f"{line}  \t \n" for line in text.splitlines()))


def abbreviated(text: str) -> str:
    for words, short in ABBREVIATED.items():
        text = text.replace(words, short)
    return at_the_prompt(text)


def with_conf_t_at_its_head(text: str) -> str:
    return f"en\nconf t\n{text}"


SHAPES: dict[str, Callable[[str], str]] = {
    "as it stands": at_the_prompt,
    "without !, exit, end": without_separators,
    "with exit": with_exits,
    "CRLF": with_crlf,
    "trailing blanks": with_trailing_blanks,
    "abbreviated": abbreviated,
    "conf t at its head": with_conf_t_at_its_head,
}


def sections(lines: list[str]) -> dict[str, list[str]]:
    """The lines below each line that is not indented; what is default and separators left out."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith(" "):
            if line != " no shutdown":
                found[list(found)[-1]].append(line)
        elif line not in ("!", "end"):
            found[line] = []
    return found


@pytest.fixture(scope="module")
def empty_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Five routers that have a name."""
    folder: Path = tmp_path_factory.mktemp("empty")
    for router in ROUTERS:
        (folder / f"{router}.cfg").write_text(f"hostname {router}\n")
    yield from lab_of(str(folder))


@pytest.fixture
def empty(empty_lab: Lab) -> Iterator[Lab]:
    yield empty_lab
    for router in ROUTERS:
        lines = empty_lab.running(router)
        heads = [line for line in lines if line.startswith(("interface ", "ip route "))]
        empty_lab.configure(router, "\n".join(f"no {head}" for head in heads))
        assert empty_lab.running(router) == [f"hostname {router}", "end"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a1_a_paste_in_any_shape_gives_the_same_lines_back(empty: Lab, shape: str) -> None:
    for router, text in TEXTS.items():
        pasted = SHAPES[shape](text)
        # The last of the texts goes in at a terminal, as one block; the others by a script.
        if router == "R5":
            with Terminal(empty, router) as terminal:
                terminal.press("enable\r")
                terminal.expect(r"R5#$")
                terminal.press(pasted)
                terminal.press("\x1a\rexit\r")
                terminal.expect(r"R5#exit\n")
            assert not re.search(r"^% ", terminal.seen, re.MULTILINE)
        else:
            empty.console(router, pasted)
        assert sections(empty.running(router)) == sections(text.splitlines())
    before = {router: empty.running(router) for router in ROUTERS}
    for router, text in TEXTS.items():  # and once more changes nothing
        empty.console(router, SHAPES[shape](text))
    assert {router: empty.running(router) for router in ROUTERS} == before


def test_a1_the_running_config_is_in_the_order_of_ios(empty: Lab) -> None:
    empty.console("R2", "configure terminal", TEXTS["R2"])
    screen = empty.console("R2", "show running-config")
    assert re.match(r"Building configuration\.\.\.\n\nCurrent configuration : \d+ bytes\n!\nversion 15\.9\n!\n", screen)
    assert configuration(screen) == [
        "hostname R2",
        "interface Tunnel0",
        " ip address 192.168.0.2 255.255.255.0",
        " ip nhrp map 192.168.0.1 172.16.15.2",
        " ip nhrp map multicast 172.16.15.2",
        " ip nhrp network-id 1",
        " ip nhrp nhs 192.168.0.1",
        " tunnel source 172.16.25.2",
        " tunnel mode gre multipoint",
        "interface FastEthernet0/0",
        " ip address 172.16.25.2 255.255.255.252",
        "ip route 0.0.0.0 0.0.0.0 172.16.25.1",
        "end",
    ]


def test_a2_within_10_s_of_the_last_paste_everybody_is_up(empty: Lab) -> None:
    for router, text in TEXTS.items():
        empty.console(router, "configure terminal", text)
    expected = {SPOKES[spoke]: (f"172.16.{n}5.2", "UP", "D") for n, spoke in enumerate(SPOKES, 2)}
    empty.expect_peers("R1", expected, 10)
    assert "Type:Hub, NHRP Peers:3, \n" in empty.console("R1", "show dmvpn")
    for spoke in SPOKES:
        empty.expect_peers(spoke, {HUB: ("172.16.15.2", "UP", "S")}, 10)
        assert "Type:Spoke, NHRP Peers:1, \n" in empty.console(spoke, "show dmvpn")


def test_a2_a_server_line_alone_makes_a_spoke(empty: Lab) -> None:
    for router, text in TEXTS.items():
        empty.console(router, "configure terminal", text)
    with empty.configured(
        "R1", "interface Tunnel0\n ip nhrp nhs 192.168.0.9", "interface Tunnel0\n no ip nhrp nhs 192.168.0.9"
    ):
        assert "Type:Spoke" in empty.console("R1", "show dmvpn")
    assert "Type:Hub" in empty.console("R1", "show dmvpn")
