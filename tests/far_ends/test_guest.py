"""Whole conversations with strongSwan and FRR, in a guest kernel that has ESP and GRE: tests/interop runs them.

These few are the ones that every change must keep; `tests/interop/iosish-with-strongswan.sh` has the others.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("scenario", ["hub-des", "spoke-aes", "hub-nat-spoke", "spoke-nat-hub"])
def test_scenario(tmp_path: Path, scenario: str) -> None:
    done = subprocess.run(
        [SCRIPT, "--out", tmp_path, scenario],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
