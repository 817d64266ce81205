"""Step B2: tunnel and transport mode of hub and spokes in every pair, by the result that IOS documents."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.live.crypto import SECONDS, expect_encrypted_cloud, expect_ping
from tests.live.lab import HUB, SPOKES, Lab, until
from tests.live.wire_watch import ESP, NBMA, WireWatch

pytestmark = pytest.mark.live

TUNNEL, TRANSPORT, REQUIRE = "tunnel", "transport", "transport require"
#: A spoke of each, so that one setting of the hub shows three pairs.
SPOKE_MODES = {"R2": TUNNEL, "R3": TRANSPORT, "R4": REQUIRE}
#: Who says tunnel takes tunnel alone; who says transport asks for it and takes either; `require` refuses tunnel.
AGREED = {
    TUNNEL: {"R2": "Tunnel"},
    TRANSPORT: {"R2": "Tunnel", "R3": "Transport", "R4": "Transport"},
    REQUIRE: {"R3": "Transport", "R4": "Transport"},
}
#: ESP of a ping's 100 octets: [IP 20] GRE 4, 100, padding and trailer to 16; SPI, number 8, IV 16, ICV 12.
ESP_OCTETS = {"Tunnel": 164, "Transport": 148}


def set_mode(lab: Lab, router: str, mode: str) -> None:
    lab.configure(router, f"crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac\n mode {mode}")


@pytest.fixture(scope="module")
def modes_lab(crypto_lab: Lab) -> Iterator[Lab]:
    """A spoke of each mode."""
    expect_encrypted_cloud(crypto_lab)
    for spoke, mode in SPOKE_MODES.items():
        set_mode(crypto_lab, spoke, mode)
    yield crypto_lab


def modes_in_use(lab: Lab, router: str, peer: str) -> set[str]:
    screen = lab.look(router, f"show crypto ipsec sa peer {peer}")
    return set(re.findall(r"in use settings =\{(\w+), \}", screen))


@pytest.mark.parametrize("hub", [TUNNEL, TRANSPORT, REQUIRE])
def test_b2_modes_meet_as_ios_documents(modes_lab: Lab, hub: str) -> None:
    lab, agreed = modes_lab, AGREED[hub]
    up = {SPOKES[spoke] for spoke in agreed}
    set_mode(lab, "R1", hub)
    for router in ("R1", *SPOKES):  # what is there goes, and the hub knows nobody whom it could ask by itself
        lab.console(router, "clear crypto session", "clear ip nhrp", "clear logging")
    lab.expect_up("R1", up, SECONDS)
    refused = set(SPOKES) - set(agreed)
    for spoke in refused:
        said = f"%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Quick mode failed with peer at {NBMA[spoke]}"
        until(lambda said=said: said in lab.look("R1", "show logging"), f"the hub refuses {spoke}", SECONDS)  # type: ignore[misc]
        said = f"%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Informational mode failed with peer at {NBMA['R1']}"
        until(lambda said=said, at=spoke: said in lab.look(at, "show logging"), f"{spoke} hears so", SECONDS)  # type: ignore[misc]
    with WireWatch(lab) as watch:
        for spoke, mode in agreed.items():
            assert "(5/5)" in lab.console(spoke, f"ping {HUB}")
            assert modes_in_use(lab, spoke, NBMA["R1"]) == modes_in_use(lab, "R1", NBMA[spoke]) == {mode}
        sizes: dict[str, set[int]] = {}
        for packet in watch.packets():
            if packet.protocol == ESP:
                ends = {str(packet.source), str(packet.destination)}
                for spoke in SPOKES:
                    if NBMA[spoke] in ends:
                        sizes.setdefault(spoke, set()).add(len(packet.payload))
        assert {spoke: ESP_OCTETS[mode] in sizes[spoke] for spoke, mode in agreed.items()} == dict.fromkeys(
            agreed, True
        )
        assert set(sizes) == set(agreed)
    assert lab.up_peers("R1") == up


def test_b2_the_hub_may_ask_for_tunnel_where_a_spoke_asks_for_transport(modes_lab: Lab) -> None:
    """The refused pair, asked for from its other end."""
    lab = modes_lab
    set_mode(lab, "R1", TRANSPORT)
    lab.console("R3", "clear crypto session")
    until(lambda: SPOKES["R3"] in lab.up_peers("R1"), "R3 is UP", SECONDS)
    set_mode(lab, "R1", TUNNEL)
    lab.console("R1", f"clear crypto sa peer {NBMA['R3']}")
    until(lambda: modes_in_use(lab, "R1", NBMA["R3"]) == {"Tunnel"}, "the hub asks R3 for tunnel mode", SECONDS)
    expect_ping(lab, "R3", HUB)
