"""The encrypted classic lab in memory, eyes on its wires and SAs, and a flow of pings that must lose nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType

from iosish import resources
from iosish.config.model import Config
from iosish.forwarding import ipv4
from iosish.ike.state import FlowState, IsakmpSa
from iosish.nhrp.config import Sessions
from iosish.plane.memory.wire import Capture
from iosish.plane.memory.world import World
from iosish.sim.node import Node
from iosish.sim.topology import SimLab

Read = Callable[[str], Config]
INSIDE = IPv4Network("192.168.0.0/24")
NBMA = {name: f"172.16.{number}5.2" for number, name in enumerate(("R1", "R2", "R3", "R4"), 1)}
"""The outer addresses of the lab."""
PROTECTED = tuple(NBMA)
NOTHING: Mapping[str, str] = MappingProxyType({})


def texts() -> dict[str, str]:
    """The five configurations, by router."""
    folder = resources.folder("running-configs") / "dmvpn-ipsec"
    return {file.stem: file.read_text() for file in sorted(folder.glob("*.cfg"))}


def with_lines(text: str, lines: str) -> str:
    """A configuration with lines added at its end."""
    return text.replace("\nend", f"\n{lines}\nend")


def make(
    read: Read, added: Mapping[str, str] = NOTHING, *, seed: int = 1, loss: float = 0.0, delay_s: float = 0.008
) -> SimLab:
    """The encrypted lab with lines added to some routers, at power-on."""
    configs = [read(with_lines(text, added.get(name, ""))) for name, text in texts().items()]
    return SimLab(World(seed), configs, loss=loss, delay_s=delay_s)


def everywhere(lines: str) -> dict[str, str]:
    """The same lines for all four protected routers."""
    return dict.fromkeys(PROTECTED, lines)


# --- what passes on the wires ---------------------------------------------------------------------------------------


def readable(packet: bytes) -> bool:
    """Whether a packet on a wire is clear GRE, or has an inner address outside of ESP."""
    ends = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    return packet[9] == ipv4.GRE or any(end in INSIDE for end in ends)


class Leaks(list[Capture]):
    """What can be read on all wires of a lab from now on; it keeps nothing else."""

    def __init__(self, lab: SimLab) -> None:
        super().__init__()
        for wire in lab.wires.values():
            wire.tap(self)

    def append(self, capture: Capture) -> None:
        if readable(capture.packet):
            super().append(capture)


def direct(captured: Iterable[Capture], one: str, other: str) -> list[Capture]:
    """The ESP that passed between two routers."""
    ends = {IPv4Address(NBMA[one]).packed, IPv4Address(NBMA[other]).packed}
    return [
        seen for seen in captured if seen.packet[9] == ipv4.ESP and {seen.packet[12:16], seen.packet[16:20]} == ends
    ]


# --- what routers know ----------------------------------------------------------------------------------------------


def isakmp(lab: SimLab, name: str, peer: str | None = None) -> list[IsakmpSa]:
    """The live ISAKMP SAs of a router, with one peer (by its name) or with all."""
    sas = lab[name].router.ike_state(lab.world.now).isakmp
    return [sa for sa in sas if sa.active and peer in (None, *_name_of(sa.peer))]


def _name_of(address: IPv4Address) -> list[str]:
    return [name for name, nbma in NBMA.items() if nbma == str(address)]


def idle(lab: SimLab, name: str, peer: str) -> set[int]:
    """The connection ids of the ISAKMP SAs that are up."""
    return {sa.connection_id for sa in isakmp(lab, name, peer) if sa.state == "QM_IDLE"}


def flow(lab: SimLab, name: str, peer: str) -> FlowState | None:
    for state in lab[name].router.ike_state(lab.world.now).flows:
        if str(state.peer) == NBMA[peer]:
            return state
    return None


def spis(lab: SimLab, name: str, peer: str) -> set[int]:
    """Those of the inbound IPsec SAs."""
    state = flow(lab, name, peer)
    return set() if state is None else {sa.key.spi for sa in state.inbound}


def agreed(lab: SimLab, one: str, other: str) -> bool:
    """Whether two routers have the same newest pair of SAs."""
    here, there = flow(lab, one, other), flow(lab, other, one)
    if here is None or there is None or not here.inbound or not there.inbound:
        return False
    return here.inbound[0].key.spi in {sa.key.spi for sa in there.outbound} and there.inbound[0].key.spi in {
        sa.key.spi for sa in here.outbound
    }


def logged(lab: SimLab, name: str, mnemonic: str, since: float = 0.0) -> list[str]:
    return [event.text for time, event in lab[name].events if event.mnemonic == mnemonic and time >= since]


def answers(lab: SimLab, name: str) -> bool:
    """Whether all next hop servers of a spoke answer."""
    return all(up for _, _, up in lab[name].router.servers())


# --- traffic --------------------------------------------------------------------------------------------------------


class Flow:
    """An echo request every so often, each with a number of its own, whatever became of the one before."""

    def __init__(self, node: Node, destination: str, every_s: float = 0.1, size: int = 100) -> None:
        self.sent: list[float] = []
        self._node, self._destination, self._every_s = node, IPv4Address(destination), every_s
        self._payload = bytes(size - 28)
        self._answered: set[int] = set()
        self._running = True
        node.plane.icmp_received = self._received
        self._send()

    def stop(self) -> None:
        """No more of them; what is under way gets a few seconds."""
        self._running = False
        self._node.world.run_until(self._node.world.now + 5.0)

    def stop_after(self, seconds: float) -> None:
        """The same, later and without waiting for it."""
        self._node.world.call_later(seconds, lambda: setattr(self, "_running", False))

    def lost(self) -> list[float]:
        """When those left that were not answered."""
        return [at for number, at in enumerate(self.sent) if number not in self._answered]

    def _send(self) -> None:
        if not self._running or self._node.off:
            return
        number = len(self.sent)
        self.sent.append(self._node.world.now)
        message = bytearray(b"\x08\0\0\0" + number.to_bytes(4, "big") + self._payload)
        message[2:4] = ipv4.checksum(message).to_bytes(2, "big")
        self._node.plane.send_icmp(self._destination, bytes(message))
        self._node.world.call_later(self._every_s, self._send)

    def _received(self, packet: bytes) -> None:
        message = packet[ipv4.header_size(packet) :]
        if message[0] == 0:
            self._answered.add(int.from_bytes(message[4:8], "big"))


def run(lab: SimLab, seconds: float) -> None:
    lab.world.run_until(lab.world.now + seconds)


def within(lab: SimLab, seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true in that time; looked at ten times a second."""
    end = lab.world.now + seconds
    while not condition():
        if lab.world.now >= end:
            return False
        lab.world.run_until(min(end, lab.world.now + 0.1))
    return True


def clear(node: Node, command: str) -> None:
    """A `clear` by its line, without a terminal."""
    words: dict[str, Callable[[], None]] = {
        "clear crypto sa": partial(node.clear_crypto_sa, None),
        "clear crypto isakmp": partial(node.clear_crypto_isakmp, None),
        "clear crypto session": partial(node.clear_crypto_session, None),
        "clear ip nhrp": partial(node.clear_nhrp, None, None),
        "clear dmvpn session": partial(node.clear_dmvpn, Sessions()),
        "clear dmvpn session static": partial(node.clear_dmvpn, Sessions(static=True)),
    }
    words[command]()


CLEARS = (
    "clear crypto sa",
    "clear crypto isakmp",
    "clear crypto session",
    "clear ip nhrp",
    "clear dmvpn session static",
)
