"""Each live line is changed under a running lab, and changed back: who does not depend on it loses not one packet."""

from __future__ import annotations

import pytest

from iosish.cli.grammar import Grammar
from iosish.cli.load import load
from iosish.config.model import Config
from iosish.plane.memory.world import World
from iosish.sim.topology import SimLab
from tests.simulation import encrypted_lab as el
from tests.simulation.live_lines import CHANGES, ELSEWHERE, TRANSIT, Change, cases, second, texts

MODES = {
    "config-if": "",
    "config-isakmp": "policies",
    "conf-keyring": "keyrings",
    "conf-isa-prof": "profiles",
    "cfg-crypto-trans": "transform_sets",
    "ipsec-profile": "profiles",
    "config": "",
}


def test_no_live_line_is_left_out(grammar: Grammar) -> None:
    live: set[str] = set()
    for mode, above in MODES.items():
        for command in grammar.modes[mode].commands():
            path = command.field.path if command.field is not None else ()
            if not path or command.held or (mode == "config" and path[0] != "crypto"):
                continue
            live.add(".".join((above, *path) if above else path).removeprefix("crypto."))
    covered = {change.field for change in CHANGES} | ELSEWHERE.keys()
    assert live - covered == set()
    assert covered - live == set()


def typed(grammar: Grammar, lines: str, config: Config) -> Config:
    loaded = load(grammar, lines, config)
    assert not loaded.refused(), loaded.refused()
    return loaded.config


@pytest.fixture(scope="module")
def original(grammar: Grammar) -> dict[str, Config]:
    return {
        name: load(grammar, el.with_lines(text, TRANSIT if name == "R5" else second(int(name[1])))).config
        for name, text in el.texts().items()
    }


def healthy(lab: SimLab) -> bool:
    entries = lab["R1"].router.nhrp_state(lab.world.now).interfaces
    known = [
        sum("registered" in entry.flags and entry.up for entry in entries[tunnel].entries)
        for tunnel in ("Tunnel0", "Tunnel1")
        if tunnel in entries
    ]
    return known == [3, 3] and all(el.answers(lab, name) for name in ("R2", "R3", "R4"))


CASES = [
    pytest.param(name, change, id=f"{name} {change.field} {change.lines.split(chr(10))[-1].strip()}")
    for name, change in cases()
]


@pytest.mark.parametrize(("name", "change"), CASES)
def test_a_line_changed_and_changed_back(
    grammar: Grammar, original: dict[str, Config], name: str, change: Change
) -> None:
    lab = SimLab(World(1), original.values())
    assert el.within(lab, 30, lambda: healthy(lab))
    lines, back = texts(change, name)
    direct = el.Flow(lab["R3"], "192.168.0.4")  # between two others
    beside = el.Flow(lab["R2" if name == "R1" else "R4"], "172.30.1.1")  # by the hub's second tunnel
    el.run(lab, 2)
    same = el.Flow(lab["R2"], "192.168.0.1") if change.free and name == "R2" else None
    if change.free and name == "R1":
        same = el.Flow(lab["R4"], "192.168.0.1")
    began = lab.world.now
    lab[name].configure(typed(grammar, lines, lab[name].router.config))
    el.run(lab, 8)
    lab[name].configure(typed(grammar, back, lab[name].router.config))
    assert lab[name].router.config == original[name]
    assert el.within(lab, 75, lambda: healthy(lab))
    for flow in filter(None, (direct, beside, same)):
        flow.stop()
    flows = {"direct": direct, "beside": beside, "same": same}
    lost = {what: [at - began for at in flow.lost() if at >= began] for what, flow in flows.items() if flow is not None}
    if change.whole and name == "R1":
        del lost["beside"]
    assert not any(lost.values()), lost
