"""The command `iosish`: arguments in, exit status out. Each verb imports what it needs and no more."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from iosish.lab.places import Running

FINE, REFUSED, COULD_NOT = 0, 1, 2

_EXIT = "exit status: 0 fine, 1 a command was refused, 2 could not run"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; gives the exit status. What went wrong stands in one line on standard error."""
    from iosish.lab.places import Trouble

    if moved := os.environ.get("IOSISH_STATE_DIR"):
        os.environ["IOSISH_STATE_DIR"] = str(Path(moved).absolute())  # stays the same after a chdir
    given = list(sys.argv[1:] if arguments is None else arguments)
    foreign: list[str] = []
    if given[:2] == ["lab", "exec"] and "--" in given:
        given, foreign = given[: given.index("--")], given[given.index("--") + 1 :]
    parser = _parser(given[0] if given else "")
    parsed = parser.parse_args(given, argparse.Namespace(foreign=foreign))
    try:
        status: int = parsed.verb(parsed)
        sys.stdout.flush()
        return status
    except Trouble as trouble:
        _complain(f"iosish: {trouble}")
        return COULD_NOT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever read our output has seen enough
        return FINE
    except KeyboardInterrupt:
        return 130


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


# -- what can be typed ----------------------------------------------------------------------------


def _parser(verb: str) -> argparse.ArgumentParser:
    """The parser; the arguments of a verb are only built when it, or none, was typed."""
    parser = argparse.ArgumentParser(
        prog="iosish",
        description="An IOS-style router shell for Linux: IOS configurations in, a real DMVPN out.",
        epilog=_EXIT,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    builders = {"run": _run, "console": _console, "lab": _lab, "check": _check}
    for name, builder in builders.items():
        builder(verbs, verb == name)
    return parser


def _add(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> argparse.ArgumentParser:
    return verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=_EXIT)


def _run(verbs: argparse._SubParsersAction[argparse.ArgumentParser], wanted: bool) -> None:
    parser = _add(verbs, "run", "run one router on the interfaces of this host, or of a network namespace")
    if not wanted:
        return
    parser.add_argument("config", metavar="CONFIG", type=Path, help="its startup-config: `write memory` replaces it")
    parser.add_argument("--name", metavar="R1", help="the router's name (default: its hostname)")
    parser.add_argument("--detach", action="store_true", help="run in the background (default: log on standard output)")
    parser.add_argument(
        "--log",
        choices=("text", "json"),
        help="how the log stands on standard output: lines as IOS writes them (default), or a JSON object a line with "
        "time (ISO 8601, UTC), host, facility, severity (0 to 7), severity_name, mnemonic, message and seq; a line of "
        "debug has null for facility and mnemonic. What a reader that stands still misses is counted, and told later",
    )
    parser.add_argument("--netns", metavar="NS", help="run in this network namespace")
    _plane(parser)
    parser.add_argument(
        "--interface",
        metavar="IOS=DEVICE",
        action="append",
        default=[],
        help="the device behind an IOS interface, as FastEthernet0/0=eth0; may be given more than once",
    )
    parser.set_defaults(verb=_do_run)


def _console(verbs: argparse._SubParsersAction[argparse.ArgumentParser], wanted: bool) -> None:
    parser = _add(verbs, "console", "open a console on a running router")
    if not wanted:
        return
    parser.add_argument("router", metavar="R1", nargs="?", help="the router's name, any case (default: the only one)")
    parser.add_argument("--name", metavar="N", help="the lab it is in")
    parser.add_argument(
        "-c", dest="commands", metavar="COMMAND", action="append", help="run this instead; may be given more than once"
    )
    parser.set_defaults(verb=_do_console)


def _check(verbs: argparse._SubParsersAction[argparse.ArgumentParser], wanted: bool) -> None:
    parser = _add(verbs, "check", "say which lines of configurations would be live, kept without effect, or refused")
    if not wanted:
        return
    parser.add_argument("-r", dest="recursive", action="store_true", help="take the *.cfg below folders")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a file, or a folder of *.cfg")
    parser.set_defaults(verb=_do_check)


def _lab(verbs: argparse._SubParsersAction[argparse.ArgumentParser], wanted: bool) -> None:
    parser = _add(verbs, "lab", "many routers on this machine, each in a network namespace, cabled by their addresses")
    if not wanted:
        return
    inner = parser.add_subparsers(metavar="VERB", required=True)

    def lab_verb(name: str, text: str) -> argparse.ArgumentParser:
        one = _add(inner, name, text)
        one.add_argument("--name", metavar="N", help="the lab's name, where there is more than one")
        return one

    one = lab_verb("up", "start every *.cfg in DIR as a router, wait until all is up, and open the first one's console")
    one.add_argument("dir", metavar="DIR", nargs="?", type=Path, help="default: the classic DMVPN lab")
    one.add_argument("--fresh", action="store_true", help="begin with DIR's files, also where a router saved another")
    one.add_argument("--detach", action="store_true", help="leave the lab running, without a console")
    _plane(one)
    one.set_defaults(verb=_do_up)
    one = lab_verb("status", "draw the routers and their cables")
    one.set_defaults(verb=_do_status)
    one = lab_verb("down", "end the lab; nothing is left of it but what its routers saved")
    one.set_defaults(verb=_do_down)
    one = lab_verb("add", "start one more router and cable it")
    one.add_argument("file", metavar="FILE.cfg", type=Path)
    one.set_defaults(verb=_do_add)
    one = lab_verb("save", "write the running configurations to a folder, a file each")
    one.add_argument("dir", metavar="DIR", type=Path)
    one.set_defaults(verb=_do_save)
    one = lab_verb("exec", "run a command of this machine in a router's network namespace")
    one.add_argument("router", metavar="R5")
    one.add_argument("command", metavar="-- CMD", nargs="*")
    one.set_defaults(verb=_do_exec)
    for name, text in (("cut", "take the cable between two routers down"), ("join", "take it up again")):
        one = lab_verb(name, text)
        one.add_argument("one", metavar="R1")
        one.add_argument("other", metavar="R5")
        one.set_defaults(verb=_do_pull, out=name == "cut", typed=name)
    one = lab_verb("capture", "write what passes an interface as pcapng to standard output (`| wireshark -k -i -`)")
    one.add_argument("router", metavar="R5")
    one.add_argument("interface", metavar="Fa0/1")
    one.set_defaults(verb=_do_capture)


def _plane(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plane", choices=("auto", "kernel", "user"), default="auto", help="what forwards packets (default: auto)"
    )


# -- doing it -------------------------------------------------------------------------------------


def _check_plane(plane: str) -> None:
    from iosish.lab.places import Trouble

    if plane == "kernel":
        raise Trouble("the kernel data plane does not exist yet: --plane user, or auto")


def _do_run(typed: argparse.Namespace) -> int:
    _check_plane(typed.plane)
    from iosish.config import interface_name
    from iosish.lab import single
    from iosish.lab.places import Trouble

    devices = {}
    for text in typed.interface:
        interface, equals, device = text.partition("=")
        try:
            interface_name.split(interface)
        except ValueError:
            equals = ""
        if not equals or not device:
            raise Trouble(f"--interface {text}: an IOS interface in full and its device, as FastEthernet0/0=eth0")
        devices[interface] = device
    if typed.detach and typed.log:
        raise Trouble("--log is about standard output, which a router in the background does not have")
    return single.run(
        single.Request(typed.config.absolute(), typed.name, typed.detach, typed.netns, devices, typed.log or "text")
    )


def _do_console(typed: argparse.Namespace) -> int:
    from iosish.lab.places import find_router
    from iosish.terminal import console

    _, path = find_router(typed.router, typed.name)
    return console.main(str(path), typed.commands)


def _do_check(typed: argparse.Namespace) -> int:
    from iosish.cli import check

    return check.main(typed.paths, typed.recursive)


def _clear_up() -> None:
    """What killed labs left behind goes with the next command."""
    from iosish.lab import leftovers

    for line in leftovers.sweep():
        _complain(f"iosish: {line}")


def _found_lab(typed: argparse.Namespace) -> Running:
    from iosish.lab.places import find_lab

    _clear_up()
    return find_lab(typed.name)


def _do_up(typed: argparse.Namespace) -> int:
    _check_plane(typed.plane)
    from iosish.lab import up

    _clear_up()
    return up.up(up.Request(typed.dir, typed.name, typed.fresh, typed.plane, typed.detach))


def _do_status(typed: argparse.Namespace) -> int:
    from iosish.lab.status import status

    print(status(_found_lab(typed)), end="")
    return FINE


def _do_down(typed: argparse.Namespace) -> int:
    from iosish.lab.ask import ask_lab, wait_for_end

    lab = _found_lab(typed)
    ask_lab(lab, "down")
    wait_for_end(lab.record["pid"])
    return FINE


def _do_add(typed: argparse.Namespace) -> int:
    from iosish.lab.ask import ask_lab

    answer = ask_lab(_found_lab(typed), "add", file=str(typed.file.absolute()))
    for complaint in answer["complaints"]:
        _complain(complaint)
    for silent in answer["silent"]:
        _complain(f"not up: {silent}")
    _complain(f"{answer['router']} runs")
    return FINE


def _do_save(typed: argparse.Namespace) -> int:
    from iosish.lab.save import save

    for path in save(_found_lab(typed), typed.dir):
        _complain(f"wrote {path}")
    return FINE


def _do_exec(typed: argparse.Namespace) -> int:
    from iosish.lab.inside import execute
    from iosish.lab.places import Trouble

    command = typed.command + typed.foreign
    if not command:
        raise Trouble(f"which command? iosish lab exec {typed.router} -- CMD")
    execute(_found_lab(typed), typed.router, command)


def _do_pull(typed: argparse.Namespace) -> int:
    from iosish.lab.ask import ask_lab

    ask_lab(_found_lab(typed), typed.typed, one=typed.one, other=typed.other)
    return FINE


def _do_capture(typed: argparse.Namespace) -> int:
    from iosish.lab.capture import capture

    return capture(_found_lab(typed), typed.router, typed.interface)
