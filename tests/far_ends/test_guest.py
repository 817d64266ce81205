"""Whole conversations with strongSwan and FRR, in a guest kernel that has ESP and GRE: tests/interop runs them.

These few are the ones that every change must keep; `tests/interop/iosish-with-strongswan.sh` has the others.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.far_ends.esp import GOOD, open_capture
from tests.far_ends.strongswan import CHARON

SCRIPT = Path(__file__).parents[1] / "interop" / "iosish-with-strongswan.sh"
NEEDED = ("linux.uml", "modprobe", "iptables-legacy", "tcpdump", "/usr/lib/frr/nhrpd", CHARON, "swanctl")
MISSING = next((program for program in NEEDED if shutil.which(program) is None), None)

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(MISSING is not None, reason=f"no {MISSING}"),
]


def run(scenario: str, out: Path) -> Path:
    """Where its captures and logs are."""
    done = subprocess.run(
        [SCRIPT, "--out", out, scenario],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "LAB_TIMEOUT": "200"},  # the guest ends before this test is ended
    )
    assert done.returncode == 0, done.stdout
    return out / scenario


@pytest.mark.parametrize("scenario", ["hub-des", "hub-nat-spoke", "spoke-nat-hub"])
def test_scenario(tmp_path: Path, scenario: str) -> None:
    run(scenario, tmp_path)


def test_a_spoke_whose_packets_wireshark_opens(tmp_path: Path) -> None:
    kept = run("spoke-aes", tmp_path)
    packets = open_capture(kept / "spoke2.pcap", "".join(path.read_text() for path in kept.glob("*.keys")))
    ours = [packet for packet in packets if packet.sources[0] == "172.16.25.2"]
    assert ours and len(ours) < len(packets)
    for packet in packets:
        assert packet.icv == GOOD and not packet.malformed, packet
        assert set(packet.sums) == {GOOD}, packet
    assert any(packet.sources[-1] == "192.168.0.2" and len(packet.sums) == 3 for packet in ours), "a ping of ours"
