"""What a router says of the startup-config that it starts with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from iosish.runtime.host import RouterHost
from iosish.runtime.options import RouterOptions
from iosish.terminal.scripted import ScriptedSession
from iosish.terminal.session import CONSOLE
from tests.terminal.router import Collected
from tests.terminal.shipped import shipped_grammar

WHOLE = "hostname R7\n!\ninterface Loopback0\n ip address 10.0.0.7 255.255.255.255\n!\nend\n"


def boot(folder: Path, *, save: bool = False) -> tuple[RouterHost, list[str]]:
    """A router without a data plane that has just started, and its log without timestamps."""

    async def run() -> tuple[RouterHost, list[str]]:
        host = RouterHost(
            shipped_grammar(), RouterOptions("R7", folder / "r7.cfg", folder / "socket", folder / "state")
        )
        host.boot()
        if save:
            await host.save()
        log = (await host.snapshot()).log
        return host, [f"%{line.facility}-{line.severity}-{line.mnemonic}: {line.text}" for line in log]

    return asyncio.run(run())


def test_it_says_which_it_loaded(tmp_path: Path) -> None:
    file = tmp_path / "r7.cfg"
    assert boot(tmp_path)[1] == ["%IOSISH-6-CONFIG_LOADED: startup-config r7.cfg: there is none"]
    file.write_text(WHOLE)
    assert boot(tmp_path)[1] == [f"%IOSISH-6-CONFIG_LOADED: startup-config r7.cfg: loaded {len(WHOLE)} bytes"]
    assert boot(tmp_path, save=True)[1] == [
        f"%IOSISH-6-CONFIG_LOADED: startup-config r7.cfg: loaded {len(WHOLE)} bytes, as last saved or loaded"
    ]
    saved = file.read_text()
    file.write_text(saved.replace("R7", "R8"))
    host, said = boot(tmp_path)
    assert said == [
        f"%IOSISH-6-CONFIG_LOADED: startup-config r7.cfg: loaded {len(saved)} bytes, "
        "changed by hand since last saved or loaded"
    ]
    assert host.config.hostname == "R8"


def test_it_says_that_the_file_was_damaged_and_mends_it(tmp_path: Path) -> None:
    file = tmp_path / "r7.cfg"
    file.write_text(WHOLE)
    boot(tmp_path)
    file.write_text(WHOLE[:30])
    host, said = boot(tmp_path)
    assert said == [
        "%IOSISH-3-CONFIG_DAMAGED: startup-config r7.cfg ends after 30 of 77 bytes: loaded 77 bytes, the kept copy; "
        f"mended, {tmp_path}/state/startup-config.kept.damaged has the damaged one"
    ]
    assert list(host.config.interfaces) == ["Loopback0"]
    assert file.read_text() == WHOLE


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "r7.cfg").mkdir()
    assert boot(tmp_path)[1] == ["%IOSISH-2-CONFIG_UNREADABLE: startup-config r7.cfg: Is a directory"]


def test_what_is_on_the_disk_is_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "r7.cfg"
    file.write_text(WHOLE)
    host, _ = boot(tmp_path)
    file.write_text(WHOLE[:30])
    assert host.startup_config() == WHOLE  # what a reload would load


def test_a_refused_line_is_logged_without_its_secret_and_shown_back_and_survives(tmp_path: Path) -> None:
    file = tmp_path / "r7.cfg"
    file.write_text(WHOLE.replace("!\nend", " ip adress 1.2.3.4\n!\ncrypto isakmp keys S3CRET address 10.0.0.1\nend"))
    for _ in range(3):
        host, said = boot(tmp_path, save=True)
        assert len(said) == 3 and all("%IOSISH-4-CONFIG_REFUSED: startup-config line " in line for line in said[1:])
        assert "in interface Loopback is refused: % Invalid input detected" in "".join(said)
        assert "S3CRET" not in "".join(said) + str(host.refused)
        assert "\n ip address 10.0.0.7 255.255.255.255\n ! refused: ip adress 1.2.3.4\n!\n" in host.running_config()
        assert host.running_config().count("! refused: crypto isakmp keys S3CRET address 10.0.0.1\n") == 1
        assert not host.modified


def test_no_takes_a_refused_line_back_at_the_console(tmp_path: Path) -> None:
    (tmp_path / "r7.cfg").write_text(WHOLE.replace("!\nend", " ip adress 1.2.3.4\n!\nfrobnicate it\nend"))

    async def run() -> RouterHost:
        host = RouterHost(
            shipped_grammar(), RouterOptions("R7", tmp_path / "r7.cfg", tmp_path / "s", tmp_path / "state")
        )
        host.boot()
        session = ScriptedSession(host, CONSOLE, Collected())
        session.feed(b"configure terminal\nno frobnicate\ninterface Loopback0\nno ip adress 1.2.3.4\nno nothing\n")
        session.end()
        await session.run()
        assert session.refused  # the last line
        return host

    host = asyncio.run(run())
    assert "refused" not in host.running_config() and host.modified
