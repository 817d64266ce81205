"""A router with very many interfaces: what their devices tell must not be worked out once more for each."""

from __future__ import annotations

from random import Random

import pytest

from iosish import interfaces, resources
from iosish.cli.grammar import load as load_grammar
from iosish.cli.load import load
from iosish.desired import LinkState
from iosish.router import Router


def test_the_devices_of_loopbacks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"interface Loopback{n}\n ip address 10.0.{n}.1 255.255.255.255\n" for n in range(200))
    config = load(load_grammar(resources.folder("grammar")), text + "interface FastEthernet0/0\n").config
    router = Router(Random(1))
    router.configure(config, 0.0)
    worked_out = 0
    evaluate = interfaces.evaluate

    def counted(*arguments: object) -> object:
        nonlocal worked_out
        worked_out += 1
        return evaluate(*arguments)  # type: ignore[arg-type] # handed through as it came

    monkeypatch.setattr(interfaces, "evaluate", counted)
    for number in range(200):
        router.link_changed(LinkState(f"Loopback{number}", present=True, carrier=True), 1.0)
    assert worked_out == 0
    assert all(router.statuses[f"Loopback{number}"].line_up for number in range(200))
    router.link_changed(LinkState("FastEthernet0/0", present=True, carrier=True), 2.0)
    assert worked_out == 1 and router.statuses["FastEthernet0/0"].line_up
