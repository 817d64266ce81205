"""`copy`, `dir`, `more`, `delete` and their kin on the screen, typed and by scripts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.terminal.router import Router, scripted, shown, without_times
from tests.terminal.shipped import VTY
from tests.terminal.test_screen import screen

SHORT = "hostname R7\ninterface Tunnel1\n description x\n!\nend\n"


@pytest.fixture
def router(tmp_path: Path) -> Router:
    made = Router(tmp_path)
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "short.cfg").write_text(SHORT)
    os.utime(tmp_path / "flash" / "short.cfg", (1_700_000_000, 1_700_000_000))
    return made


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def on_screen(text: str, router: Router) -> str:
    return without_times(shown(text, router, line=VTY))


def test_the_running_config_into_flash_and_over_a_file_that_is_there(router: Router, tmp_path: Path) -> None:
    size = len(router.running_config())
    assert on_screen("copy run flash:new.cfg\r\rcopy run flash:new.cfg\r\rn", router) == screen(f"""
        R1#copy run flash:new.cfg
        Destination filename [new.cfg]?
        {size} bytes copied in N secs (N bytes/sec)
        R1#copy run flash:new.cfg
        Destination filename [new.cfg]?
        %Warning:There is a file already existing with this name
        Do you want to over write? [confirm]
        R1#""")
    assert (tmp_path / "flash" / "new.cfg").read_text() == router.running_config()


def test_a_file_that_the_dialogue_names(router: Router, tmp_path: Path) -> None:
    assert on_screen("copy run flash:\r\rcopy flash: run\rshort.cfg\r\rcopy run flash:\rx.cfg\r", router) == screen("""
        R1#copy run flash:
        Destination filename [r1-confg]?
        35 bytes copied in N secs (N bytes/sec)
        R1#copy flash: run
        Source filename []? short.cfg
        Destination filename [running-config]?
        51 bytes copied in N secs (N bytes/sec)
        R7#copy run flash:
        Destination filename [r7-confg]? x.cfg
        85 bytes copied in N secs (N bytes/sec)
        R7#""")
    assert names(tmp_path / "flash") == ["r1-confg", "short.cfg", "x.cfg"]
    assert router.left == ["vty0"]


def test_lines_that_are_refused_are_told_with_their_numbers(router: Router, tmp_path: Path) -> None:
    (tmp_path / "flash" / "bad.cfg").write_text(
        "hostname R7\ninterface Tunnel1\n ip mtu 9999999\n description x\nnonsense\n below it\nhostname\n"
        "end\nhostname R8\n"
    )
    assert on_screen("copy flash:bad.cfg running-config\r\r", router) == screen("""
        R1#copy flash:bad.cfg running-config
        Destination filename [running-config]?
        3:  ip mtu 9999999
                   ^
        % Invalid input detected at '^' marker.
        5: nonsense
           ^
        % Invalid input detected at '^' marker.
        6:  below it
        belongs to a line that was refused
        7: hostname
        % Incomplete command.
        105 bytes copied in N secs (N bytes/sec)
        R7#""")
    assert router.config.interfaces["Tunnel1"].description == "x"


def test_a_file_becomes_the_startup_config(router: Router) -> None:
    assert on_screen("copy flash:short.cfg startup-config\r\rmore nvram:startup-config\r", router) == screen("""
        R1#copy flash:short.cfg startup-config
        Destination filename [startup-config]?
        [OK]
        51 bytes copied in N secs (N bytes/sec)
        R1#more nvram:startup-config
        hostname R7
        interface Tunnel1
         description x
        !
        end
        R1#""")


def test_plain_paths_and_those_below_the_folder_of_the_client(router: Router, tmp_path: Path) -> None:
    place = tmp_path / "a" / "r1.cfg"
    place.parent.mkdir()
    output, refused = scripted(f"copy running-config {place}\ncopy {place} flash:back.cfg\n", router)
    assert not refused
    assert place.read_text() == (tmp_path / "flash" / "back.cfg").read_text() == router.running_config()
    output, refused = scripted("copy running-config ./r1.cfg\n", router)
    assert refused and output == "%Error opening ./r1.cfg (this terminal is in no folder: give a path from / on)\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("copy flash:none run", "%Error opening flash:/none (No such file or directory)"),
        ("copy run flash:../x", "%Error opening flash:../x (Invalid file name)"),
        ("copy run flash:none/x", "%Error writing flash:/none/x (No such file or directory)"),
        (
            "copy run tftp://10.0.0.1/x",
            "%Error opening tftp://10.0.0.1/x (there is no tftp client here: flash: and paths can be reached)",
        ),
        (
            "copy scp: run",
            "%Error opening scp: (there is no scp client here: flash: and paths can be reached)",
        ),
        ("copy start run", "%% Non-volatile configuration memory invalid or not present"),
        ("copy flash:short.cfg flash:short.cfg", "%Error: flash:/short.cfg cannot be copied onto itself"),
        ("copy run nvram:x", "%Error opening nvram:x (No such file or directory)"),
        ("more flash:none", "%Error opening flash:/none (No such file or directory)"),
        ("more flash:", "%Error opening flash:/ (Is a directory)"),
        ("dir flash:none", "%Error opening flash:/none (No such file or directory)"),
        ("dir tftp:", "%Error opening tftp: (there is no tftp client here: flash: and paths can be reached)"),
        ("delete none", "%Error deleting flash:/none (No such file or directory)"),
        ("delete /etc/passwd", "%Error deleting /etc/passwd (only files in flash: can be changed like this)"),
        ("rename none other", "%Error renaming flash:/none (No such file or directory)"),
        ("rmdir none", "%Error Removing dir flash:/none (No such file or directory)"),
        (
            "show clock | redirect tftp:x",
            "%Error opening tftp:x (there is no tftp client here: flash: and paths can be reached)",
        ),
        ("show clock | redirect flash:none/x", "%Error opening flash:none/x (No such file or directory)"),
    ],
)
def test_what_cannot_be_done_is_refused(router: Router, line: str, answer: str) -> None:
    output, refused = scripted(f"{line}\n", router)
    assert (output, refused) == (f"{answer}\n", True)


def test_a_full_disk_is_said_and_the_old_file_stays(router: Router, tmp_path: Path) -> None:
    router.disk_full = True
    output, refused = scripted("copy flash:short.cfg start\n", router)
    assert (output, refused) == ("%Error writing nvram:startup-config (No space left on device)\n", True)


def test_listings(router: Router, tmp_path: Path) -> None:
    (tmp_path / "flash" / "old").mkdir()
    os.utime(tmp_path / "flash" / "old", (1_700_000_000, 1_700_000_000))
    output, _ = scripted("dir\nshow flash\ndir old\npwd\n", router)
    lines = output.splitlines()
    assert lines[:5] == [
        "Directory of flash:/",
        "",
        "    1  drw-           0  Nov 14 2023 22:13:20 +00:00  old",
        "    2  -rw-          51  Nov 14 2023 22:13:20 +00:00  short.cfg",
        "",
    ]
    assert lines[5].endswith(" bytes free)")
    assert lines[6:9] == [
        "-#- --length-- -----date/time------ path",
        "1            0 Nov 14 2023 22:13:20 +00:00 old",
        "2           51 Nov 14 2023 22:13:20 +00:00 short.cfg",
    ]
    assert lines[11:14] == ["Directory of flash:/old", "", "No files in directory"]
    assert lines[-1] == "flash:/"


def test_all_file_systems(router: Router) -> None:
    router.startup = SHORT
    output, _ = scripted("dir all\n", router)
    assert "Directory of flash:/\n" in output
    assert output.endswith(
        "Directory of nvram:/\n\n    1  -rw-          51                    <no date>  startup-config\n\n"
        "262136 bytes total (262085 bytes free)\n\n"
        "Directory of system:/\n\n    1  -rw-          35                    <no date>  running-config\n\n"
        "No space information available\n"
    )


def test_deleting_asks_twice_and_force_not_at_all(router: Router, tmp_path: Path) -> None:
    assert on_screen("delete flash:short.cfg\r\rndelete short.cfg\r\r\rdelete /force nothing\r", router) == screen("""
        R1#delete flash:short.cfg
        Delete filename [short.cfg]?
        Delete flash:/short.cfg? [confirm]
        R1#delete short.cfg
        Delete filename [short.cfg]?
        Delete flash:/short.cfg? [confirm]
        R1#delete /force nothing
        %Error deleting flash:/nothing (No such file or directory)
        R1#""")
    assert names(tmp_path / "flash") == []


def test_folders_and_new_names(router: Router) -> None:
    text = "mkdir old\r\rrename short.cfg old/s.cfg\r\rmore old/s.cfg | include host\r"
    text += "delete /force old/s.cfg\rrmdir old\r\r\r"
    assert on_screen(text, router) == screen("""
        R1#mkdir old
        Create directory filename [old]?
        Created dir flash:/old
        R1#rename short.cfg old/s.cfg
        Destination filename [old/s.cfg]?
        R1#more old/s.cfg | include host
        hostname R7
        R1#delete /force old/s.cfg
        R1#rmdir old
        Remove directory filename [old]?
        Delete flash:/old? [confirm]
        Removed dir flash:/old
        R1#""")


def test_more_of_what_is_no_text(router: Router, tmp_path: Path) -> None:
    (tmp_path / "flash" / "x.pcapng").write_bytes(bytes(range(20)))
    assert scripted("more flash:x.pcapng\n", router)[0] == (
        "00000000: 00010203 04050607 08090A0B 0C0D0E0F  ................\n"
        "00000010: 10111213                             ....\n"
    )


def test_output_into_files(router: Router, tmp_path: Path) -> None:
    flash = tmp_path / "flash"
    output, refused = scripted(
        "show numbers | redirect flash:n\nshow clock | append flash:n\nshow clock | tee flash:t\n"
        "show clock | tee /append flash:t\nshow clock | redirect flash:t2\nshow startup-config | redirect flash:s\n",
        router,
    )
    clock = "*12:00:00.000 UTC Sun Mar 1 2026\n"
    assert (output, refused) == (clock * 2, False)
    assert (flash / "n").read_text() == "".join(f"line {number}\n" for number in range(1, 41)) + clock
    assert (flash / "t").read_text() == clock * 2
    assert (flash / "s").read_text() == "startup-config is not present\n"


def test_nothing_is_asked_where_file_prompt_is_quiet(router: Router) -> None:
    text = "conf t\rfile prompt quiet\rend\rcopy run flash:short.cfg\rdelete short.cfg\r"
    assert on_screen(text, router).splitlines()[4:] == [
        "R1#copy run flash:short.cfg",
        "35 bytes copied in N secs (N bytes/sec)",
        "R1#delete short.cfg",
        "R1#",
    ]


def test_ctrl_c_ends_the_dialogue_and_nothing_is_done(router: Router, tmp_path: Path) -> None:
    assert on_screen("copy run flash:x\r\x03delete short.cfg\r\x03", router).endswith(
        "Delete filename [short.cfg]? ^C\nR1#"
    )
    assert names(tmp_path / "flash") == ["short.cfg"]
