"""Values: what each type takes, and the first character that it does not."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iosish.cli.tokens import Read, Stop, value_type

TYPES = ["A.B.C.D", "mask", "wildcard", "prefix", "X:X::X", "X:X::X/n", "word", "line", "interface"]
TYPES += ["name-or-address", "hh:mm:ss", "month", "mac", "rd", "banner"]


@pytest.mark.parametrize(
    ("type_name", "text", "value", "spelt"),
    [
        ("A.B.C.D", "192.168.0.1", IPv4Address("192.168.0.1"), "192.168.0.1"),
        ("A.B.C.D", "010.1.1.1", IPv4Address("10.1.1.1"), "10.1.1.1"),
        ("mask", "255.255.255.252", IPv4Address("255.255.255.252"), "255.255.255.252"),
        ("1-10000", "0042", 42, "42"),
        ("-23-23", "-5", -5, "-5"),
        ("interface", "fa0/0", "FastEthernet0/0", "FastEthernet0/0"),
        ("interface", "Tunnel 0", "Tunnel0", "Tunnel0"),
        ("interface", "gi 0/0/1.100", "GigabitEthernet0/0/1.100", "GigabitEthernet0/0/1.100"),
        ("interface", "LOOP00", "Loopback0", "Loopback0"),
        ("month", "sept", 9, "Sep"),
    ],
)
def test_a_value_is_read_and_spelt_as_ios_does(type_name: str, text: str, value: object, spelt: str) -> None:
    read = value_type(type_name).read(text, 0)
    assert isinstance(read, Read)
    assert (read.value, read.text, read.end) == (value, spelt, len(text))


@pytest.mark.parametrize(
    ("type_name", "text", "column"),
    [
        ("A.B.C.D", "91.77.245.176/32", 13),  # `show ip route 91.77.245.176/32`: IOS points at the slash
        ("A.B.C.D", "10.0.0.256", 9),
        ("A.B.C.D", "10.0.x", 5),
        ("mask", "255.0.255.0", 0),
        ("1-100", "101", 0),
        ("1-100", "12a", 2),
        ("interface", "foo0/0", 2),  # `fo` begins FortyGigabitEthernet
        ("interface", "Fa0/0x", 5),
    ],
)
def test_the_first_character_that_does_not_fit(type_name: str, text: str, column: int) -> None:
    stop = value_type(type_name).read(text, 0)
    assert isinstance(stop, Stop)
    assert stop.column == column


@pytest.mark.parametrize(("type_name", "text"), [("A.B.C.D", "10.0."), ("A.B.C.D", "10"), ("interface", "Tunnel")])
def test_a_value_that_only_began_wants_more(type_name: str, text: str) -> None:
    stop = value_type(type_name).read(text, 0)
    assert isinstance(stop, Stop)
    assert stop.partial


@given(st.sampled_from([*TYPES, "0-4294967295", "-23-23"]), st.text(max_size=40), st.integers(0, 5))
def test_any_text_is_read_or_stopped_at_a_column_of_the_line(type_name: str, text: str, start: int) -> None:
    line = " " * start + text.replace("\n", " ").lstrip(" \t") + "x"
    result = value_type(type_name).read(line, start)
    if isinstance(result, Read):
        assert start <= result.end <= len(line)
        assert value_type(type_name).owns(result.value)
    else:
        assert start <= result.column <= len(line)


@given(st.ip_addresses(v=4))
def test_every_address_reads_back(address: IPv4Address) -> None:
    read = value_type("A.B.C.D").read(str(address), 0)
    assert isinstance(read, Read)
    assert read.value == address
