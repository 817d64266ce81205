"""The encrypted classic lab as its tests see it: what its lines are, what its SAs are at, who sends inside."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lab.laboratory import IOSISH
from tests.live.lab import SPOKES, Lab, until
from tests.live.wire_watch import NBMA, TRANSIT, WireWatch, foreign, readable

PROTECTED = ("R1", "R2", "R3", "R4")
#: As the article has it.
CRYPTO = """\
crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0
crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
crypto ipsec profile MyProfile
 set transform-set MyTransformSet
interface Tunnel0
 tunnel protection ipsec profile MyProfile"""
BUMP = "interface Tunnel0\n shutdown\n no shutdown"
#: Everything that a person would call "in seconds".
SECONDS = 20.0


def isakmp(lab: Lab, router: str) -> dict[str, set[str]]:
    """`show crypto isakmp sa`: the states of the SAs with each peer, deleted ones left out."""
    own = NBMA[router]
    states: dict[str, set[str]] = {}
    row = re.compile(r"^(\d\S+) +(\d\S+) +(\S+) +\d+ (?:ACTIVE|STDBY) *$", re.MULTILINE)
    for one, other, state in row.findall(lab.look(router, "show crypto isakmp sa")):
        states.setdefault(other if one == own else one, set()).add(state)
    return states


def expect_idle(lab: Lab, router: str, peers: set[str]) -> None:
    """Wait until there is an ISAKMP SA in QM_IDLE with each of these peers."""

    def idle() -> bool:
        found = isakmp(lab, router)
        return all("QM_IDLE" in found.get(peer, set()) for peer in peers)

    until(idle, f"{router} has QM_IDLE with {peers}", SECONDS)


def expect_encrypted_cloud(lab: Lab, ceiling_s: float = SECONDS) -> None:
    """Three peers, three QM_IDLE on the hub."""
    until(lambda: lab.up_peers("R1") >= set(SPOKES.values()), "three spokes are UP on the hub", ceiling_s)
    expect_idle(lab, "R1", {NBMA[spoke] for spoke in SPOKES})
    for spoke in SPOKES:
        lab.settle(spoke)


def expect_ping(lab: Lab, router: str, target: str) -> None:
    """Wait until a router's ping of one packet is answered."""
    ping = f"ping {target} repeat 1 timeout 1"
    until(lambda: "(1/1)" in lab.look(router, ping), f"{target} answers {router}", SECONDS)


def spis(lab: Lab, router: str, peer: str) -> set[str]:
    """The outbound SPIs in use towards a peer."""
    return set(re.findall(r"current outbound spi: (\S+)", lab.look(router, f"show crypto ipsec sa peer {peer}")))


def leaks_since(watch: WireWatch, line_at: Mapping[str, float]) -> list[str]:
    """What could be read on the wires from a router after its own `tunnel protection` line, and what else was there."""
    own = {NBMA[router]: at for router, at in line_at.items()}
    last = max(line_at.values())
    return [
        str(packet)
        for packet in watch.packets()
        if (readable(packet) and packet.at > own.get(str(packet.source), last))
        or (packet.at > last and packet.source not in TRANSIT and foreign(packet))
    ]


@contextmanager
def sending(lab: Lab, senders: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    """Somebody in each router's namespace sends to inner addresses all the time, by the kernel's routes."""
    with ExitStack() as stack:
        begun = [stack.enter_context(_ping(lab, router, target)) for router in senders for target in senders[router]]
        for name in begun:
            until(lambda name=name: name.read_text() == "ping\n", "ping runs")  # type: ignore[misc]
        yield


@contextmanager
def _ping(lab: Lab, router: str, target: str) -> Iterator[Path]:
    """Gives where the name of the process stands: it becomes `ping` in the router's namespace."""
    command = [*IOSISH, "lab", "exec", router, "--name", lab.name, "--", "ping", "-q", "-n", "-i", "0.05"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [*command, *target.split()], env=lab.environment, stdin=quiet, stdout=quiet, stderr=quiet
    )
    try:
        yield Path(f"/proc/{process.pid}/comm")
    finally:
        assert process.poll() is None, f"{router} stopped sending to {target}"
        process.terminate()
        process.wait(SECONDS)
