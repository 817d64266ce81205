"""Cables follow addresses and LINK names."""

from __future__ import annotations

from ipaddress import IPv4Interface

from hypothesis import given
from hypothesis import strategies as st

from iosish import resources
from iosish.cli import grammar
from iosish.cli.load import load
from iosish.config.model import Config
from iosish.lab.topology import Cable, Port, cables, has_nhs, is_pluggable, link_of, ports_of


def port(router: str, interface: str, *addresses: str, link: str | None = None) -> Port:
    return Port(router, interface, tuple(IPv4Interface(address) for address in addresses), link)


def test_two_interfaces_in_a_subnet_are_a_cable() -> None:
    found = cables([port("R1", "FastEthernet0/0", "10.1.1.1/30"), port("R2", "FastEthernet0/0", "10.1.1.2/30")])
    assert found == (Cable("10.1.1.0/30", (("R1", "FastEthernet0/0"), ("R2", "FastEthernet0/0"))),)


def test_three_in_a_subnet_are_a_lan() -> None:
    (lan,) = cables(port(f"R{n}", "FastEthernet0/0", f"10.0.0.{n}/24") for n in (1, 2, 3))
    assert len(lan.ends) == 3
    assert lan.between("R1", "R3") and not lan.between("R1", "R4")


def test_different_masks_are_different_subnets() -> None:
    assert (
        len(cables([port("R1", "FastEthernet0/0", "10.0.0.1/24"), port("R2", "FastEthernet0/0", "10.0.0.2/16")])) == 2
    )


def test_a_secondary_address_cables_too() -> None:
    found = cables(
        [port("R1", "FastEthernet0/0", "10.0.0.1/24", "10.9.0.1/24"), port("R2", "FastEthernet0/0", "10.9.0.2/24")]
    )
    assert [len(cable.ends) for cable in found] == [2]


def test_a_secondary_joins_subnets_that_were_apart() -> None:
    found = cables(
        [
            port("R1", "FastEthernet0/0", "10.0.0.1/24"),
            port("R2", "FastEthernet0/0", "10.9.0.2/24"),
            port("R3", "FastEthernet0/0", "10.9.0.3/24", "10.0.0.3/24"),
        ]
    )
    assert [len(cable.ends) for cable in found] == [3]


def test_no_address_no_cable_but_a_link_is_enough() -> None:
    assert cables([port("R1", "FastEthernet0/0"), port("R2", "FastEthernet0/0", "10.0.0.1/32")]) == ()
    found = cables([port("R1", "Serial0/0", link="wan"), port("R2", "Serial1/0", link="wan")])
    assert found == (Cable("LINK wan", (("R1", "Serial0/0"), ("R2", "Serial1/0"))),)


def test_link_names_are_read_from_descriptions() -> None:
    assert link_of("LINK core") == "core"
    assert link_of("link core (to the left)") == "core"
    assert link_of("the LINK core") is None
    assert link_of("LINKcore") is None
    assert link_of(None) is None


def test_what_a_cable_fits_into() -> None:
    assert is_pluggable("FastEthernet0/0") and is_pluggable("Serial0/0/0") and is_pluggable("Vlan1")
    assert not any(is_pluggable(name) for name in ("Loopback0", "Tunnel0", "Null0", "FastEthernet0/0.10", "eth0", ""))


def test_the_classic_lab_has_four_cables_to_r5_and_one_hub() -> None:
    tree = grammar.load(resources.folder("grammar"))
    configs: dict[str, Config] = {}
    for file in sorted((resources.folder("running-configs") / "dmvpn").glob("*.cfg")):
        loaded = load(tree, file.read_text())
        assert not loaded.refused()
        configs[loaded.config.hostname] = loaded.config
    found = cables(port for name, config in configs.items() for port in ports_of(name, config))
    assert [cable.name for cable in found] == [f"172.16.{n}5.0/30" for n in (1, 2, 3, 4)]
    assert all(cable.between(f"R{n}", "R5") for n, cable in enumerate(found, 1))
    assert [name for name, config in configs.items() if has_nhs(config)] == ["R2", "R3", "R4"]


ANY_PORTS = st.lists(
    st.builds(
        Port,
        st.sampled_from(["R1", "R2", "R3"]),
        st.sampled_from(["FastEthernet0/0", "FastEthernet0/1", "Serial0/0"]),
        st.lists(st.sampled_from([IPv4Interface(f"10.0.{n}.{n}/24") for n in range(5)]), max_size=3).map(tuple),
        st.sampled_from([None, "a", "b"]),
    ),
    unique_by=lambda port: port.end,
)


@given(ANY_PORTS)
def test_each_port_with_a_name_is_on_exactly_one_cable(ports: list[Port]) -> None:
    found = cables(ports)
    ends = [end for cable in found for end in cable.ends]
    assert sorted(ends) == sorted(port.end for port in ports if port.addresses or port.link)
    assert len({cable.name for cable in found}) == len(found)


@given(ANY_PORTS)
def test_ports_that_share_a_subnet_share_a_cable(ports: list[Port]) -> None:
    cable_of = {end: cable.name for cable in cables(ports) for end in cable.ends}
    for one in ports:
        for other in ports:
            shared = {address.network for address in one.addresses} & {address.network for address in other.addresses}
            if shared or (one.link and one.link == other.link):
                assert cable_of[one.end] == cable_of[other.end]
