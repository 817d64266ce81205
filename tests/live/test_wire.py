"""Frames of live routers, read by Wireshark: nothing malformed, every checksum right."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.live.lab import HUB, Lab, until

pytestmark = pytest.mark.live

#: Extension 7 of IOS has no address in front of the password; Wireshark takes one for granted.
TSHARK = ("tshark", "-n", "-o", "nhrp.auth_ext_has_addr:FALSE", "-o", "ip.check_checksum:TRUE")
#: Wireshark's checksum status.
GOOD = "1"
NHRP_TYPES = {
    "1": "resolution request",
    "2": "resolution reply",
    "3": "registration request",
    "4": "registration reply",
}


def decode(file: Path, *fields: str) -> list[list[str]]:
    """A row of field values for each frame."""
    wanted = [word for field in fields for word in ("-e", field)]
    done = subprocess.run([*TSHARK, "-r", file, "-T", "fields", *wanted], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def complaints(file: Path) -> list[str]:
    """What Wireshark has to say against a capture: one line a fault."""
    done = subprocess.run([*TSHARK, "-r", file, "-q", "-z", "expert,warn"], capture_output=True, text=True, check=True)
    rows = decode(file, "frame.number", "frame.protocols", "_ws.malformed", "_ws.expert.message")
    return [line for line in done.stdout.splitlines() if line.strip()] + [
        " ".join(row) for row in rows if row[2] or "checksum" in row[3].lower()
    ]


@pytest.fixture
def tshark() -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed: apt-get install tshark")


@pytest.mark.usefixtures("tshark")
@pytest.mark.parametrize(
    ("added", "taken_back"),
    [
        ("", ""),
        (" tunnel key 4711\n ip nhrp authentication secret\n", " no tunnel key\n no ip nhrp authentication\n"),
    ],
    ids=["as the article has it", "with key and authentication"],
)
def test_every_frame_decodes_cleanly(classic: Lab, added: str, taken_back: str) -> None:
    routers = ("R1", "R2", "R3", "R4")
    try:
        for router in routers:
            classic.configure(router, f"interface Tunnel0\n shutdown\n{added}")
        with classic.capture("R5", "Fa0/1") as wire:
            for router in routers:
                classic.configure(router, "interface Tunnel0\n no shutdown")
            classic.expect_up("R2", [HUB])
            classic.expect_up("R4", [HUB])
            assert "(5/5)" in classic.console("R2", "ping 192.168.0.4")
            classic.expect_up("R2", [HUB, "192.168.0.4"])
            assert "(3/3)" in classic.console("R2", "ping 192.168.0.4 size 1400 repeat 3", "clear ip nhrp")
            assert "(2/2)" in classic.console("R2", "ping 192.168.0.4 size 3000 repeat 2")  # in fragments

            def types() -> set[str]:
                return {row[0] for row in decode(wire.path, "nhrp.hdr.op.type") if row[0]}

            until(lambda: set(NHRP_TYPES) <= types(), f"all of {', '.join(NHRP_TYPES.values())}")
        assert complaints(wire.path) == []
        checksums = [f"{layer}.status" for layer in ("ip.checksum", "icmp.checksum", "nhrp.hdr.chksum")]
        rows = decode(wire.path, "frame.protocols", "gre.key", *checksums)
        for protocols, key, *status in rows:
            assert ":gre" not in protocols or key == ("0x00001267" if added else "")
            assert set("".join(status).replace(",", "")) <= {GOOD}
            assert ":nhrp" not in protocols or status[2] == GOOD
        assert {row[0] for row in rows} >= {"eth:ethertype:ip:gre:nhrp", "eth:ethertype:ip:gre:ip:icmp:data"}
    finally:
        if taken_back:
            for router in routers:
                classic.configure(router, f"interface Tunnel0\n shutdown\n{taken_back} no shutdown")
