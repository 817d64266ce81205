"""What a router says of the startup-config that it starts with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from iosish.runtime.host import RouterHost
from iosish.runtime.options import RouterOptions
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
