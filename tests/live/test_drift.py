"""The drift matrix: what is changed in the kernel behind a router's back is put back, and what is not its own stays.

On a router of the encrypted lab, and on `iosish run` with a device that it adopted.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.lab.laboratory import CEILING_S, ENDS_WITH_US, IOSISH, Laboratory
from tests.live.conftest import lab_of
from tests.live.crypto import PROTECTED, expect_encrypted_cloud, leaks_since, sending
from tests.live.drift import DRIFTS, FOREIGN, Space
from tests.live.lab import HUB, Lab, ask, until
from tests.live.wire_watch import ESP, WireWatch
from tests.user_plane.node import Namespace, cabled

pytestmark = pytest.mark.live

#: What the issue says.
BACK_WITHIN_S = 2.0
BEHIND = f"""
logging buffered 1000000
interface Loopback0
 ip address 10.2.2.2 255.255.255.255
interface FastEthernet0/0
 ip tcp adjust-mss 1300
ip route 10.3.3.3 255.255.255.255 {HUB}
ip route 10.66.0.0 255.255.0.0 Null0
"""
RUN = """hostname {name}
interface FastEthernet0/0
 ip address 172.16.25.{last} 255.255.255.252
interface Tunnel0
 ip address 192.168.0.{last} 255.255.255.0
 ip nhrp network-id 1
{more} tunnel source FastEthernet0/0
 tunnel mode gre multipoint
ip route 0.0.0.0 0.0.0.0 172.16.25.{other}
"""
AS_SPOKE = """ ip nhrp map 192.168.0.1 172.16.25.1
 ip nhrp map multicast 172.16.25.1
 ip nhrp nhs 192.168.0.1
 ip nhrp registration timeout 2
"""


@dataclass
class Subject:
    """The router whose kernel drifts. `look` asks its console."""

    space: Space
    look: Callable[..., str]

    def said(self, mnemonic: str) -> list[str]:
        """The texts of its log lines of one kind."""
        return re.findall(rf"%IOSISH-4-{mnemonic}: (.*?)\s*$", self.look("show logging"), re.MULTILINE)

    def healed(self) -> list[str]:
        return [text.removeprefix("Changed from outside and put back: ") for text in self.said("HEALED")]


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Lab]:
    for lab in lab_of("running-configs/dmvpn-ipsec"):
        lab.configure("R2", "interface Tunnel0\n ip nhrp registration timeout 2" + BEHIND)
        expect_encrypted_cloud(lab)
        yield lab


@pytest.fixture(scope="module")
def in_a_lab(encrypted: Lab) -> Iterator[Subject]:
    """R2 of the encrypted lab."""
    with Namespace() as elsewhere:
        space = Space(f"iosish-{encrypted.name}-R2", "Fa0-0", elsewhere.name)
        yield _subject(space, partial(encrypted.look, "R2"))


@pytest.fixture(scope="module")
def on_a_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A router with a device that it adopted, and its hub."""
    folder, laboratory = tmp_path_factory.mktemp("hosts"), Laboratory()
    with ExitStack() as stack:
        stack.callback(laboratory.close)
        hub, spoke, elsewhere = (stack.enter_context(Namespace()) for _ in range(3))
        stack.enter_context(cabled((hub, "eth7"), (spoke, "eth7")))
        for space, name, last, more in ((hub, "Hub", 1, ""), (spoke, "Edge", 2, AS_SPOKE)):
            path = folder / f"{name}.cfg"
            path.write_text(RUN.format(name=name, last=last, other=3 - last, more=more) + (BEHIND if more else ""))
            stack.enter_context(_running(laboratory, space.name, path))
        [socket] = until(lambda: list((laboratory.state / "run").rglob("Edge.sock")), "the router's socket")
        look = partial(_look, socket)
        until(lambda: " UP " in look("show dmvpn"), "the tunnel is up")
        yield _subject(Space(spoke.name, "eth7", elsewhere.name), look)


@contextmanager
def _running(laboratory: Laboratory, netns: str, path: Path) -> Iterator[None]:
    run = ("run", str(path), "--netns", netns, "--interface", "FastEthernet0/0=eth7")
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [*ENDS_WITH_US, *IOSISH, *run], stdin=quiet, stdout=quiet, stderr=quiet, env=laboratory.environment
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(CEILING_S)


def _look(path: Path, *commands: str) -> str:
    text = "".join(f"{line}\n" for line in commands)
    return ask(path, f'{{"kind": "command"}}\n{text}').partition(b"\0")[0].decode()


def _subject(space: Space, look: Callable[..., str]) -> Subject:
    """With what others have in the same namespace."""
    space.ip(FOREIGN)
    space.nft("foreign", make=True)
    return Subject(space, look)


MATRIX = [("in_a_lab", what) for what in DRIFTS]
MATRIX += [("on_a_host", what) for what, how in DRIFTS.items() if not how.guards]


@pytest.fixture
def subject(request: pytest.FixtureRequest, where: str) -> Subject:
    """At rest."""
    found: Subject = request.getfixturevalue(where)
    until(lambda: found.space.pings(HUB), "the tunnel carries packets")
    return found


@pytest.mark.parametrize(("where", "what"), MATRIX)
def test_what_drifts_is_put_back(subject: Subject, what: str) -> None:
    drift, space = DRIFTS[what], subject.space
    before, lines = space.kernel(), len(subject.healed())
    wanted = before | set(drift.stays)
    drift.happen(space)
    began = time.monotonic()
    if drift.goes:
        until(lambda: space.is_up(space.uplink), "the device is up", BACK_WITHIN_S)
        space.ip(drift.goes)
    try:
        until(lambda: space.kernel() == wanted, what, BACK_WITHIN_S)
    except AssertionError:
        now = space.kernel()
        raise AssertionError(f"missing {sorted(wanted - now)}, too much {sorted(now - wanted)}") from None
    print(f"{what}: back after {time.monotonic() - began:.3f} s")
    says = re.compile(drift.says)
    until(lambda: any(map(says.search, subject.healed()[lines:])), f"the log line: {drift.says}", BACK_WITHIN_S)
    until(lambda: space.pings(HUB), "packets pass again")
    assert space.kernel() == wanted
    said = subject.healed()[lines:]
    assert len(said) <= drift.lines, said
    for line in drift.stays:
        space.ip(f"route del {line.removeprefix('route ').replace(' linkdown', '')}")


#: What could let something out: the tunnel, what leads into it, what guards it, what it leaves by.
EXPOSED = (
    "tunnel device deleted",
    "tunnel device down",
    "tunnel device renamed",
    "tunnel address deleted",
    "route over the tunnel",
    "guard",
    "neighbors flushed",
    "uplink down",
)


def test_nothing_readable_leaves_while_it_heals(encrypted: Lab, in_a_lab: Subject) -> None:
    """Senders inside go on; what each drift takes away is missing only for a moment, and guards hold meanwhile."""
    encrypted.configure("R1", "ip route 10.3.3.3 255.255.255.255 Null0")  # else the hub sends it on in the clear
    until(lambda: in_a_lab.space.pings(HUB), "the tunnel carries packets")
    began = time.time()
    with sending(encrypted, {"R2": (HUB, "192.168.0.99", "10.3.3.3")}), WireWatch(encrypted) as watch:
        for what in EXPOSED:
            lines = len(in_a_lab.healed())
            DRIFTS[what].happen(in_a_lab.space)
            until(lambda lines=lines: len(in_a_lab.healed()) > lines, what, BACK_WITHIN_S)  # type: ignore[misc]
        until(lambda: in_a_lab.space.pings(HUB), "the tunnel carries packets")
        assert watch.count(lambda packet: packet.protocol == ESP and packet.at > began) > 0
        leaks = leaks_since(watch, dict.fromkeys(PROTECTED, began))
        assert not leaks, "\n".join(leaks[:20])


def test_an_uplink_that_comes_back_with_another_address(on_a_host: Subject) -> None:
    """Its own address is put back, the other one stays and is told."""
    space = on_a_host.space
    until(lambda: space.pings(HUB), "the tunnel carries packets")
    lines = len(on_a_host.healed())
    space.ip("link set {uplink} netns {elsewhere}")
    until(lambda: "down" in on_a_host.look("show ip interface brief | include Tunnel0"), "the tunnel is down")
    back = ["ip", "-n", space.elsewhere, "link", "set", space.uplink, "netns", space.name]
    subprocess.run(back, check=True)
    space.ip("addr add 172.31.9.9/24 dev {uplink}")
    wanted = {f"addr {space.uplink} 172.16.25.2/30", f"addr {space.uplink} 172.31.9.9/24"}
    until(lambda: wanted <= space.kernel() and space.is_up(space.uplink), "the address", BACK_WITHIN_S)
    until(lambda: len(on_a_host.healed()) > lines, "the log line", BACK_WITHIN_S)
    until(lambda: space.pings(HUB), "packets pass again")
    stranger = "FastEthernet0/0 has an address that is not in its config and stays: 172.31.9.9/24"
    assert on_a_host.said("FOREIGN_ADDRESS").count(stranger) == 1
    assert len(on_a_host.healed()) - lines <= 2  # it may be seen before it has all
