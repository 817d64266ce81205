"""A hub with one uplink and as many spokes as there are files: no port of this machine has a part in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import lab_of
from tests.live.lab import Lab, until

pytestmark = pytest.mark.live

SPOKES = range(2, 9)

HUB_LINES = """\
hostname Hub
interface Ethernet0/0
 ip address 10.0.0.1 255.255.255.0
interface Tunnel0
 ip address 192.168.0.1 255.255.255.0
 ip nhrp map multicast dynamic
 ip nhrp network-id 1
 tunnel source Ethernet0/0
 tunnel mode gre multipoint
"""
SPOKE_LINES = """\
hostname Spoke{0}
interface Ethernet0/0
 ip address 10.0.0.{0} 255.255.255.0
interface Tunnel0
 ip address 192.168.0.{0} 255.255.255.0
 ip nhrp map 192.168.0.1 10.0.0.1
 ip nhrp map multicast 10.0.0.1
 ip nhrp network-id 1
 ip nhrp nhs 192.168.0.1
 tunnel source Ethernet0/0
 tunnel mode gre multipoint
"""


def devices() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


@pytest.fixture(scope="module")
def one_lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """All routers on one Ethernet."""
    folder: Path = tmp_path_factory.mktemp("one_lan")
    (folder / "hub.cfg").write_text(HUB_LINES)
    for number in SPOKES:
        (folder / f"spoke{number}.cfg").write_text(SPOKE_LINES.format(number))
    before = devices()
    for lab in lab_of(str(folder)):
        # Another lab that comes up meanwhile has its cables here for a moment.
        until(lambda: devices() <= before, "this machine has no device more")
        yield lab


def test_c17_one_uplink_and_many_spokes_on_one_machine(one_lan: Lab) -> None:
    one_lan.expect_peers("Hub", {f"192.168.0.{n}": (f"10.0.0.{n}", "UP", "D") for n in SPOKES})
    assert f"Type:Hub, NHRP Peers:{len(SPOKES)}, \n" in one_lan.console("Hub", "show dmvpn")
    names = re.findall(r"^(\S+\d)", one_lan.console("Hub", "show ip interface brief"), re.MULTILINE)
    assert names == ["Ethernet0/0", "Tunnel0"]
    assert f"{len(SPOKES) + 1} routers, 1 cable" in one_lan.lab("status").stdout


def test_c17_any_spoke_reaches_any_other_directly(one_lan: Lab) -> None:
    first, last = SPOKES[0], SPOKES[-1]
    screen = one_lan.console(f"Spoke{first}", *(f"ping 192.168.0.{n}" for n in SPOKES[1:]))
    assert screen.count("Success rate is 100 percent (5/5)") == len(SPOKES) - 1
    one_lan.expect_up(f"Spoke{first}", [f"192.168.0.{n}" for n in (1, *SPOKES[1:])])
    one_lan.expect_up(f"Spoke{last}", ["192.168.0.1", f"192.168.0.{first}"])
