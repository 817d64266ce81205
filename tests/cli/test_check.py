"""`iosish check`: what it prints, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from iosish.cli.check import main


def test_live_kept_refused_and_skipped_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r1.cfg"
    file.write_text(
        "[OK]\nhostname R1\nip cef\n!\nip route 10.0.0.0 255.0.0.0\ninterface Tunnel0\n ip mtu 1400\n"
        " ip nhrp hldtime 300\n ip pim sparse-mode\naccess-list 1 permit any\nR1#show run\n"
    )
    assert main([str(file)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}:5: refused: % Incomplete command.",
        "    ip route 10.0.0.0 255.0.0.0",
        "                               ^",
        f"{file}:8: refused: % Invalid input detected at '^' marker.",
        "     ip nhrp hldtime 300",
        "              ^",
        f"{file}:10: kept: access-list <list> permit <rule>: access lists do not filter",
        "global: 2 live, 2 kept, 1 refused",
        "interface Tunnel: 1 live, 1 kept, 1 refused",
        "3 live, 3 kept, 2 refused, 2 skipped",
    ]


def test_a_fine_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "r1.cfg"
    file.write_bytes(b"hostname R1\r\nend\r\n")
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == "global: 1 live, 0 kept, 0 refused\n1 live, 0 kept, 0 refused, 0 skipped\n"


def test_the_cfg_files_of_a_folder_and_with_r_of_those_below(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "a.cfg").write_text("hostname A\n")
    (tmp_path / "notes.txt").write_text("no configuration\n")
    (tmp_path / "below" / "b.cfg").write_text("hostnam\n")
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 live, 0 kept, 0 refused, 0 skipped"
    assert main([str(tmp_path)], recursive=True) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 live, 0 kept, 1 refused, 0 skipped"


def test_what_cannot_be_read_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == "iosish check: no *.cfg file there\n"
    missing = tmp_path / "missing.cfg"
    assert main([str(missing)]) == 2
    assert capsys.readouterr().err == f"iosish check: {missing}: No such file or directory\n"


def test_a_file_of_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.cfg"
    file.write_bytes(bytes(range(255, -1, -1)) * 30 + b"\nhostname R1\n")
    assert main([str(file)]) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1].startswith("1 live, 0 kept, ")
    assert all(character >= " " or character == "\n" for character in printed)
