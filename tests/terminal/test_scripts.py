"""Scripts: lines in, IOS's text out, and nothing else."""

from __future__ import annotations

from tests.terminal.router import Router, scripted


def test_output_only() -> None:
    router = Router()
    output, refused = scripted(
        "enable\nconfigure terminal\n! a comment\r\ninterface Tunnel0\r\n ip address 10.0.0.1 255.255.255.0\n"
        "\tdescription the\ttunnel\x07\x1b[2J \nend\nshow clock\nshow numbers | count line\n",
        router,
    )
    assert (output, refused) == ("*12:00:00.000 UTC Sun Mar 1 2026\nNumber of lines which match regexp = 40\n", False)
    assert router.config.interfaces["Tunnel0"].description == "the\ttunnel[2J"
    assert router.left == ["console"]


def test_there_are_no_pages() -> None:
    output, _ = scripted("terminal length 5\nshow numbers\n")
    assert output == "".join(f"line {number}\n" for number in range(1, 41))


def test_what_is_refused_is_said_and_remembered() -> None:
    output, refused = scripted("show clock\nconf t\nint tu0\nip mtu 1\nfoo")
    assert refused
    assert output == (
        "*12:00:00.000 UTC Sun Mar 1 2026\n"
        "                     ^\n% Invalid input detected at '^' marker.\n\n"
        "               ^\n% Invalid input detected at '^' marker.\n\n"
    )


def test_a_script_that_ends_in_configuration_mode_leaves_it() -> None:
    router = Router()
    scripted("conf t\nhostname R2", router)
    assert (router.config.hostname, router.left) == ("R2", ["console"])


def test_questions_take_their_default() -> None:
    router = Router()
    output, refused = scripted("copy running-config startup-config\nclear counters\nping\nreload\nshow clock\n", router)
    assert output == "Building configuration...\n[OK]\n% Bad IP address\n"
    assert refused and router.cleared and router.reloads == 1 and router.startup


def test_a_question_mark_at_the_end_asks_for_help() -> None:
    router = Router()
    output, refused = scripted("show ip ?\nconf t\nint tu0\nip m?\ndescription why?\n", router)
    assert [line.strip() for line in output.splitlines()] == [
        "interface  IP interface status and configuration",
        "nhrp       NHRP information",
        "",
        "mtu",
        "",
    ]
    assert not refused
    assert router.config.interfaces["Tunnel0"].description == "why?"


def test_a_banner_over_several_lines() -> None:
    router = Router()
    output, refused = scripted("conf t\nbanner motd ^C\nWelcome ?\n! no comment\n^C\nhostname R2\n", router)
    assert (output, refused, router.config.hostname) == ("", False, "R2")
    assert [kept.text for kept in router.config.kept.values()] == ["banner motd ^C\nWelcome ?\n! no comment\n^C"]


def test_exit_ends_a_script() -> None:
    assert scripted("exit\nshow clock\n") == ("", False)
