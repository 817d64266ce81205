"""Whole typed sessions against the screen that they leave."""

from __future__ import annotations

import asyncio
from textwrap import dedent

import pytest

from iosish.terminal.session import Line
from tests.terminal.router import Router, shown, typed, without_times
from tests.terminal.router import screen as screen_of

VTY = Line(2, "vty 0")


def screen(text: str) -> str:
    """An expected screen: indented in the test, without the first line break; it ends in a prompt."""
    return dedent(text).removeprefix("\n").rstrip("\n")


def test_an_empty_line_and_a_comment_give_the_prompt_again() -> None:
    assert shown("\r! a comment\r   \r", line=VTY) == screen("""
        R1#
        R1#! a comment
        R1#
        R1#""")


def test_user_exec_knows_less_than_privileged_exec() -> None:
    sent = asyncio.run(typed("configure\rconf t\renable\rdisable\r"))
    assert screen_of(sent) == screen("""
        R1>configure
           ^
        % Invalid input detected at '^' marker.

        R1>conf t
           ^
        % Invalid input detected at '^' marker.

        R1>enable
        R1#disable
        R1>""")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("show clck", "          ^\n% Invalid input detected at '^' marker.\n\n"),
        ("show ip interface brief", "                     ^\n% Invalid input detected at '^' marker.\n\n"),
        ("ping 10.0.0.1 repeat x", "                        ^\n% Invalid input detected at '^' marker.\n\n"),
        ("show ip", "% Incomplete command.\n\n"),
        ("show", "% Incomplete command.\n\n"),
        ("c", '% Ambiguous command:  "c"\n'),
        ("  disa", ""),
        ("SH CLOCK", "*12:00:00.000 UTC Sun Mar 1 2026\n"),
    ],
)
def test_wrong_and_shortened_lines(line: str, answer: str) -> None:
    prompt = "R1>" if line == "  disa" else "R1#"
    assert shown(f"{line}\r") == f"R1#{line}\n{answer}{prompt}"


def test_an_unknown_word_is_taken_for_the_name_of_a_host() -> None:
    router = Router()
    assert shown("foo\rR5\rconf t\rno ip domain lookup\rend\rfoo\r", router, line=VTY) == screen("""
        R1#foo
        Translating "foo"...domain server (255.255.255.255)
        % Bad IP address or host name
        % Unknown command or computer name, or unable to find computer address
        R1#R5
        Trying 10.0.0.5 ...
        % Connection refused by remote host

        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#no ip domain lookup
        R1(config)#end
        R1#foo
        Translating "foo"
        % Bad IP address or host name
        % Unknown command or computer name, or unable to find computer address
        R1#""")


def test_configuration_modes_and_their_prompts() -> None:
    router = Router()
    text = (
        "conf t\rint tu0\r ip address 10.0.0.1 255.255.255.0\rip mtu 9999999\rdo show clock\rdo sh ip x\r"
        "hostname Hub\rint fa 0/0\rexit\rexit\r"
    )
    assert shown(text, router) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#int tu0
        R1(config-if)# ip address 10.0.0.1 255.255.255.0
        R1(config-if)#ip mtu 9999999
                             ^
        % Invalid input detected at '^' marker.

        R1(config-if)#do show clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1(config-if)#do sh ip x
                               ^
        % Invalid input detected at '^' marker.

        R1(config-if)#hostname Hub
        Hub(config)#int fa 0/0
        Hub(config-if)#exit
        Hub(config)#exit
        *Mar  1 12:00:00.000: %SYS-5-CONFIG_I: Configured from console by console
        Hub#""")
    assert list(router.config.interfaces) == ["Tunnel0", "FastEthernet0/0"]


def test_a_long_host_name_is_cut_in_configuration_prompts() -> None:
    text = "conf t\rhostname a-router-with-a-long-name\rint tu0\rend\r"
    assert shown(text, line=VTY).splitlines()[3:] == [
        "a-router-with-a-long(config)#int tu0",
        "a-router-with-a-long(config-if)#end",
        "a-router-with-a-long-name#",
    ]


def test_ctrl_z_runs_the_line_and_leaves_and_ctrl_c_drops_it() -> None:
    router = Router()
    assert shown("conf t\rhostname R9\x1aconf t\rhostname R8\x03sh clo\x03", router, line=VTY) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#hostname R9^Z
        R9#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R9(config)#hostname R8^C
        R9#sh clo^C
        R9#""")
    assert router.left == ["vty0", "vty0"]


def test_question_mark_lists_what_may_follow_and_the_line_comes_again() -> None:
    assert shown("show ip ?nhrp ?\x15show ip n?\x15banana ?") == screen("""
        R1#show ip ?
          interface  IP interface status and configuration
          nhrp       NHRP information

        R1#show ip nhrp ?
          |  Output modifiers
          <cr>

        R1#show ip n?
          nhrp

        R1#banana ?
        % Unrecognized command
        R1#banana""")


def test_question_mark_behind_do_and_behind_a_pipe() -> None:
    assert shown("conf t\rdo show ip ?\x15\x1a\x15show clock | s?ection ?", line=VTY) == screen("""
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#do show ip ?
          interface  IP interface status and configuration
          nhrp       NHRP information

        R1(config)#^Z
        R1#show clock | s?
          section  Filter a section of output

        R1#show clock | section ?
          LINE     Regular Expression
          exclude  Exclude entire section(s) that match
          include  Include entire section(s) that match

        R1#show clock | section""")


def test_ctrl_v_quotes_a_question_mark() -> None:
    router = Router()
    shown("conf t\rint tu0\rdescription why\x16?\rend\r", router)
    assert router.config.interfaces["Tunnel0"].description == "why?"


def test_tab_completes_on_a_new_line_or_repeats_the_line() -> None:
    assert shown("sh\tcl\t\r\tx\t") == screen("""
        R1#sh
        R1#show cl
        R1#show clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1#
        R1#x
        R1#x""")


def test_tab_behind_do_and_in_the_middle_of_a_line() -> None:
    # Ctrl-A, Ctrl-F over `do sh`, Tab there
    text = "conf t\rdo sh clo\x01" + "\x06" * 5 + "\t\x05\t"
    assert shown(text, line=VTY).splitlines()[2:] == [
        "R1(config)#do sh clo",
        "R1(config)#do show clo",
        "R1(config)#do show clock",
    ]


def test_history_of_exec_and_of_configuration_are_two() -> None:
    up = "\x1b[A"
    assert shown(f"show clock\rconf t\rhostname R2\r{up}\rend\r{up}{up}\rshow history\r", line=VTY) == screen("""
        R1#show clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R1#conf t
        Enter configuration commands, one per line.  End with CNTL/Z.
        R1(config)#hostname R2
        R2(config)#hostname R2
        R2(config)#end
        R2#show clock
        *12:00:00.000 UTC Sun Mar 1 2026
        R2#show history
          enable
          show clock
          conf t
          show clock
          show history
        R2#""")


def test_terminal_history_size() -> None:
    assert shown("terminal history size 1\rshow clock\rshow history\r").splitlines()[-2:] == ["  show history", "R1#"]


def test_a_page_is_a_screen_less_a_line() -> None:
    sent = asyncio.run(typed("enable\rterminal length 4\rshow numbers\r \rq"))
    text = sent.decode()
    # SPACE: three lines more; RETURN: one; q: the end, at once.
    wipe = "\b" * 9 + " " * 9 + "\b" * 10
    more = " --More-- " + wipe
    assert text.endswith(
        "R1#show numbers\r\nline 1\r\nline 2\r\nline 3\r\n"
        f"{more}line 4\r\nline 5\r\nline 6\r\n{more}line 7\r\n{more}R1#"
    )
    assert "More" not in screen_of(sent)


def test_no_pages_with_length_0() -> None:
    assert shown("terminal length 0\rshow numbers\r").splitlines()[1:] == [
        "R1#show numbers",
        *(f"line {number}" for number in range(1, 41)),
        "R1#",
    ]


def test_what_is_typed_at_a_page_is_not_lost_behind_it() -> None:
    assert shown("show numbers\rqshow clock\r").endswith("R1#show clock\n*12:00:00.000 UTC Sun Mar 1 2026\nR1#")


@pytest.mark.parametrize(
    ("pipe", "lines"),
    [
        ("include ^line 1[0-3]$", ["line 10", "line 11", "line 12", "line 13"]),
        ("i _40_", ["line 40"]),
        ("exclude [1-9]", []),
        ("begin line 39", ["", "line 39", "line 40"]),
        ("count 0$", ["Number of lines which match regexp = 4"]),
        ("section line 7", ["line 7"]),
        ("sec exclude line [1-4]", ["line 5", "line 6", "line 7", "line 8", "line 9"]),
        ("include ((((", ["% Failed to compile regular expression."]),
        ("include (\x16?P<a>", ["% Failed to compile regular expression."]),
        ("redirect", ["% Incomplete command.", ""]),
        ("redirect flash:../x", ["%Error opening flash:../x (Invalid file name)"]),
        ("redirect flash:x y", ["                                   ^", "% Invalid input detected at '^' marker.", ""]),
        ("x", ["                  ^", "% Invalid input detected at '^' marker.", ""]),
        ("incx 1", ["                     ^", "% Invalid input detected at '^' marker.", ""]),
        ("include", ["% Incomplete command.", ""]),
        ("", ["% Incomplete command.", ""]),
    ],
)
def test_pipes(pipe: str, lines: list[str]) -> None:
    assert shown(f"show numbers | {pipe}\r").split("\n")[1:] == [*lines, "R1#"]


def test_ping_and_its_dialogue() -> None:
    router = Router()
    text = "ping 10.0.0.1 repeat 3\rping\r\rR5\r2\rx\r200\r\ry\rtu0\r\r\ry\r\r\r\rping nobody\r"
    assert shown("conf t\rint tu0\rip address 10.9.9.9 255.0.0.0\rend\r" + text, router, line=VTY).splitlines()[5:] == [
        *("R1#ping 10.0.0.1 repeat 3", "Type escape sequence to abort."),
        "Sending 3, 100-byte ICMP Echos to 10.0.0.1, timeout is 2 seconds:",
        "!!!",
        "Success rate is 100 percent (3/3), round-trip min/avg/max = 1/1/1 ms",
        "R1#ping",
        "Protocol [ip]:",
        "Target IP address: R5",
        "Repeat count [5]: 2",
        "Datagram size [100]: x",
        "% A decimal number between 36 and 18024.",
        "Datagram size [100]: 200",
        "Timeout in seconds [2]:",
        "Extended commands [n]: y",
        "Source address or interface: tu0",
        "Type of service [0]:",
        "Set DF bit in IP header? [no]:",
        "Validate reply data? [no]: y",
        "Data pattern [0xABCD]:",
        "Loose, Strict, Record, Timestamp, Verbose[none]:",
        "Sweep range of sizes [n]:",
        *("Type escape sequence to abort.", "Sending 2, 200-byte ICMP Echos to 10.0.0.5, timeout is 2 seconds:"),
        "!!",
        "Success rate is 100 percent (2/2), round-trip min/avg/max = 1/1/1 ms",
        "R1#ping nobody",
        'Translating "nobody"...domain server (255.255.255.255)',
        "% Unrecognized host or address, or protocol not running.",
        "R1#",
    ]
    assert str(router.pings[1].source) == "10.9.9.9" and router.pings[1].validate


def test_ctrl_c_ends_a_dialogue() -> None:
    router = Router()
    assert shown("ping\r\r\x03", router).endswith("R1#ping\nProtocol [ip]:\nTarget IP address: ^C\nR1#")
    assert not router.pings


def test_saving_copying_erasing() -> None:
    router = Router()
    assert shown("write\rcopy run start\r\rerase startup-config\r\rshow startup-config\r", router) == screen("""
        R1#write
        Building configuration...
        [OK]
        R1#copy run start
        Destination filename [startup-config]?
        Building configuration...
        [OK]
        R1#erase startup-config
        Erasing the nvram filesystem will remove all configuration files! Continue? [confirm]
        [OK]
        Erase of nvram: complete
        R1#show startup-config
        startup-config is not present
        R1#""")


def test_the_startup_config_is_entered_on_top_of_what_is_there() -> None:
    router = Router()
    router.startup = "version 15.9\nhostname R7\ninterface Tunnel1\n description x\nend\ninterface Tunnel2\n"
    assert without_times(shown("copy startup-config running-config\r\r", router, line=VTY)) == screen("""
        R1#copy startup-config running-config
        Destination filename [running-config]?
        1: version 15.9
           ^
        % Invalid input detected at '^' marker.
        80 bytes copied in N secs (N bytes/sec)
        R7#""")
    assert list(router.config.interfaces) == ["Tunnel1"]


def test_the_running_config_of_an_interface() -> None:
    text = "conf t\rint tu0\rip address 10.0.0.1 255.0.0.0\rdo show run int tu 9\rend\rsh run int tu0 | inc ip\r"
    assert shown(text, line=VTY).splitlines()[4:] == [
        "R1(config-if)#do show run int tu 9",
        "                                 ^",
        "% Invalid input detected at '^' marker.",
        "",
        "R1(config-if)#end",
        "R1#sh run int tu0 | inc ip",
        " ip address 10.0.0.1 255.0.0.0",
        "R1#",
    ]


def test_a_full_disk_is_said_and_nothing_lost() -> None:
    router = Router()
    router.disk_full = True
    assert "%Error writing nvram:startup-config (No space left on device)" in shown("write memory\r", router)


def test_reload_asks_to_save() -> None:
    router = Router()
    assert shown("conf t\rhostname R2\rend\rreload\rwhat\ry\r\r", router, line=VTY).splitlines()[4:] == [
        "R2#reload",
        "System configuration has been modified. Save? [yes/no]: what",
        "System configuration has been modified. Save? [yes/no]: y",
        *("Building configuration...", "[OK]"),
        "Proceed with reload? [confirm]",
    ]
    assert router.reloads == 1 and router.startup is not None


def test_a_banner_over_several_lines() -> None:
    router = Router()
    text = "conf t\rbanner motd #\r Welcome\rto ! the lab#\rhostname R2\rend\r"
    assert shown(text, router, line=VTY).splitlines()[2:] == [
        "R1(config)#banner motd #",
        "Enter TEXT message.  End with the character '#'.",
        " Welcome",
        "to ! the lab#",
        "R1(config)#hostname R2",
        "R2(config)#end",
        "R2#",
    ]
    assert any("Welcome\nto ! the lab" in kept.text for kept in router.config.kept.values())


def test_a_broken_command_is_said_without_a_traceback() -> None:
    assert shown("show wrong\rshow clock\r").splitlines()[1:3] == [
        "% The command failed: 'Tunnel0'",
        "R1#show clock",
    ]


def test_log_lines_stand_on_a_line_of_their_own() -> None:
    async def run(line: Line, first: bytes = b"") -> str:
        from iosish.terminal.typed import TypedSession
        from tests.terminal.router import Collected

        router, outlet = Router(), Collected()
        session = TypedSession(router, line, outlet)
        running = asyncio.ensure_future(session.run())
        session.feed(first + b"sh cl")
        while not outlet.data.endswith(b"sh cl"):  # noqa: ASYNC110 what the session sends is its only sign
            await asyncio.sleep(0)
        router.log("link")
        session.feed(b"o\r")
        session.end()
        await running
        return screen_of(outlet.data)

    record = "*Mar  1 12:00:00.000: %SYS-5-CONFIG_I: link\n"
    clock = "*12:00:00.000 UTC Sun Mar 1 2026\n"
    assert asyncio.run(run(Line(0, "con 0"))) == f"R1>sh cl\n{record}o\n{clock}R1>"
    assert asyncio.run(run(VTY)) == f"R1>sh clo\n{clock}R1>"
    assert record in asyncio.run(run(VTY, b"terminal monitor\r"))
    assert record not in asyncio.run(run(VTY, b"terminal monitor\rterminal no monitor\r"))


def test_with_logging_synchronous_the_line_comes_again() -> None:
    async def run() -> str:
        from iosish.terminal.typed import TypedSession
        from tests.terminal.router import Collected

        router, outlet = Router(), Collected()
        await typed("enable\rconf t\rline con 0\rlogging synchronous\rbanner motd #Lab#\rend\r", router, line=VTY)
        session = TypedSession(router, Line(0, "con 0"), outlet)
        running = asyncio.ensure_future(session.run())
        session.feed(b"sh cl")
        while not outlet.data.endswith(b"sh cl"):  # noqa: ASYNC110 what the session sends is its only sign
            await asyncio.sleep(0)
        router.log("link")
        router.log("line protocol")
        session.feed(b"ock")
        session.end()
        await running
        return screen_of(outlet.data)

    assert asyncio.run(run()) == screen("""

        Lab
        R1>sh cl
        *Mar  1 12:00:00.000: %SYS-5-CONFIG_I: link
        *Mar  1 12:00:00.000: %SYS-5-CONFIG_I: line protocol
        R1>sh clock""")


def test_ctrl_shift_6_ends_a_ping() -> None:
    async def run() -> str:
        from iosish.terminal.typed import TypedSession
        from tests.terminal.router import Collected

        router, outlet = Router(), Collected()
        session = TypedSession(router, Line(0, "con 0"), outlet)
        running = asyncio.ensure_future(session.run())
        session.feed(b"ping 10.0.0.1 repeat 1000000\r")
        await router.pinging.wait()
        session.feed(b"typed ahead\r\x1e")
        session.feed(b"show clock\r")
        session.end()
        await running
        return screen_of(outlet.data)

    lines = asyncio.run(run()).splitlines()
    assert lines[4].startswith("Success rate is 100 percent (")
    assert lines[5:] == ["R1>show clock", "*12:00:00.000 UTC Sun Mar 1 2026", "R1>"]
