"""From `ip tcp adjust-mss` to what the data plane is asked for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from iosish.config.model import Config
from iosish.router import Router


def test_the_data_plane_is_asked_for_it_on_physical_interfaces(read: Callable[[str], Config]) -> None:
    router = Router(Random(1))
    text = "interface FastEthernet0/0\n ip address 172.16.0.1 255.255.255.0\n{}interface FastEthernet0/1\n"
    router.configure(read(text.format(" ip tcp adjust-mss 1200\n")), 0.0)
    assert router.changed()
    assert {name: link.adjust_mss for name, link in router.desired.links.items()} == {
        "FastEthernet0/0": 1200,
        "FastEthernet0/1": None,
    }
    router.configure(read(text.format("")), 1.0)
    assert router.changed()
    assert router.desired.links["FastEthernet0/0"].adjust_mss is None
