"""Device names: short, without slashes, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.config.interface_name import KINDS
from iosish.plane.device_name import DEVICE_NAME_MAX, device_name, interface_of, other_names

interfaces = st.builds(
    lambda kind, numbers, rest: kind + "/".join(map(str, numbers)) + rest,
    st.sampled_from(sorted(KINDS)),
    st.lists(st.integers(0, 9999), min_size=1, max_size=4),
    st.one_of(
        st.just(""), st.builds(lambda mark, number: f"{mark}{number}", st.sampled_from(".:"), st.integers(0, 10**9))
    ),
)


@pytest.mark.parametrize(
    ("interface", "device"),
    [
        ("FastEthernet0/0", "Fa0-0"),
        ("GigabitEthernet0/0/1.100", "Gi0-0-1.100"),
        ("Loopback0", "Lo0"),
        ("Tunnel0", "Tunnel0"),
        ("Tunnel999999999", "Tunnel999999999"),
        ("Tunnel2147483647", "Tu2147483647"),
        ("Serial0/0:1", "Se0-0_1"),
    ],
)
def test_names_there_and_back(interface: str, device: str) -> None:
    assert device_name(interface) == device
    assert interface_of(device) == interface


@pytest.mark.parametrize("device", ["eth0", "lo", "Tu0", "Fa", "Fa0-0x", "", "veth12ab", "FastEthernet0-0"])
def test_what_is_not_named_by_us_has_no_interface(device: str) -> None:
    assert interface_of(device) is None


@given(interfaces)
def test_every_name_is_one_that_linux_takes(interface: str) -> None:
    device = device_name(interface)
    assert 0 < len(device.encode()) <= DEVICE_NAME_MAX
    assert not set(device) & set("/: \t\n") and device not in (".", "..")
    assert interface_of(device) in (interface, None)
    assert "~" in device or interface_of(device) == interface


@given(interfaces, interfaces)
def test_two_interfaces_have_two_devices(one: str, other: str) -> None:
    assert one == other or device_name(one) != device_name(other)


def test_other_names_of_a_device() -> None:
    assert other_names("FastEthernet0/0") == ("Fa0-0", "FastEthernet0-0", "fa0-0", "fastethernet0-0")
    assert other_names("GigabitEthernet0/0") == ("Gi0-0", "gi0-0")


def test_what_is_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no interface name"):
        device_name("eth0")
