"""The lab drawn in text."""

from __future__ import annotations

from typing import Any

from iosish.lab.drawing import picture, table
from iosish.lab.status import render


def router(**addresses: str) -> dict[str, Any]:
    """`Fa0_0="10.0.0.1/24"` is FastEthernet0/0 with that address."""
    interfaces = {
        key.replace("Fa", "FastEthernet").replace("_", "/"): {"admin_up": True, "line_up": True, "address": address}
        for key, address in addresses.items()
    }
    return {"pid": 7, "restarts": 0, "interfaces": interfaces, "waits": [], "modified": False}


def cable(name: str, *ends: tuple[str, str]) -> dict[str, Any]:
    return {"name": name, "ends": [[name, interface.replace("Fa", "FastEthernet")] for name, interface in ends]}


STAR = {
    "R1": router(Fa0_0="172.16.15.2/30"),
    "R2": router(Fa0_0="172.16.25.2/30"),
    "R5": router(Fa0_0="172.16.15.1/30", Fa0_1="172.16.25.1/30"),
}
STAR_CABLES = [
    cable("172.16.15.0/30", ("R1", "Fa0/0"), ("R5", "Fa0/0")),
    cable("172.16.25.0/30", ("R2", "Fa0/0"), ("R5", "Fa0/1")),
]


def test_a_star() -> None:
    assert picture(STAR, STAR_CABLES, []) == [
        "┌────┐                                                            ┌────┐",
        "│ R1 │ Fa0/0 172.16.15.2 ─── 172.16.15.0/30 ─── Fa0/0 172.16.15.1 │    │",
        "└────┘                                                            │ R5 │",
        "┌────┐                                                            │    │",
        "│ R2 │ Fa0/0 172.16.25.2 ─── 172.16.25.0/30 ─── Fa0/1 172.16.25.1 │    │",
        "└────┘                                                            └────┘",
    ]


def test_a_cut_cable_shows() -> None:
    drawn = picture(STAR, STAR_CABLES, [["R1", "FastEthernet0/0"], ["R5", "FastEthernet0/0"]])
    assert drawn[1] == "│ R1 │ Fa0/0 172.16.15.2 ─x  172.16.15.0/30  x─ Fa0/0 172.16.15.1 │    │"
    assert "x" not in drawn[4]


def test_a_lan_stands_where_its_routers_meet() -> None:
    routers = {f"R{n}": router(Fa0_0=f"10.0.0.{n}/24") for n in (1, 2, 3)}
    drawn = picture(routers, [cable("10.0.0.0/24", *((name, "Fa0/0") for name in routers))], [])
    assert sum("10.0.0.0/24" in line for line in drawn) == 1
    for name in routers:
        assert sum(f"│ {name} │" in line for line in drawn) == 1


def test_two_cables_between_the_same_routers_share_a_box() -> None:
    routers = {
        "R1": router(Fa0_0="10.0.0.1/24", Fa0_1="10.1.0.1/24"),
        "R2": router(Fa0_0="10.0.0.2/24", Fa0_1="10.1.0.2/24"),
    }
    drawn = picture(
        routers,
        [
            cable("10.0.0.0/24", ("R1", "Fa0/0"), ("R2", "Fa0/0")),
            cable("10.1.0.0/24", ("R1", "Fa0/1"), ("R2", "Fa0/1")),
        ],
        [],
    )
    assert sum("R1" in line for line in drawn) == 1
    assert len(drawn) == 4


def test_a_router_without_cables_is_drawn_too() -> None:
    assert picture({"R9": router()}, [], []) == ["┌────┐", "│ R9 │", "└────┘"]
    assert picture({"R9": router(Fa0_0="10.0.0.1/24")}, [cable("10.0.0.0/24", ("R9", "Fa0/0"))], []) == [
        "┌────┐",
        "│ R9 │",
        "└────┘",
        "  R9 Fa0/0 10.0.0.1 ─── 10.0.0.0/24",
    ]


def test_every_row_of_a_picture_is_equally_wide() -> None:
    lan = cable("10.0.0.0/24", ("R1", "Fa0/0"), ("R2", "Fa0/0"), ("R5", "Fa0/0"))
    for cables in (STAR_CABLES, [lan], STAR_CABLES[:1]):
        drawn = picture({name: STAR[name] for name in ("R1", "R2", "R5")}, cables, [])
        assert len({len(line) for line in drawn if len(line) > 6}) == 1


def test_the_table_has_a_row_for_each_interface() -> None:
    routers = {"R5": router(Fa0_1="10.0.0.1/24", Fa0_0="10.0.1.1/24")}
    interfaces = routers["R5"]["interfaces"]
    interfaces["FastEthernet0/0"].update(line_up=False, reason="no carrier")
    interfaces["Tunnel0"] = {"admin_up": False, "line_up": False, "address": None}
    rows = table(routers)
    assert [row.split() for row in rows] == [
        ["Router", "Process", "Interface", "Address", "State"],
        ["R5", "7", "Tunnel0", "unassigned", "administratively", "down"],
        ["FastEthernet0/0", "10.0.1.1/24", "down", "(no", "carrier)"],
        ["FastEthernet0/1", "10.0.0.1/24", "up"],
    ]


def test_the_whole_answer() -> None:
    text = render(
        "two",
        {
            "pid": 9,
            "source": "/configs",
            "state": "/state",
            "started_at": 1000.0,
            "routers": {
                **STAR,
                "R2": {
                    **STAR["R2"],
                    "restarts": 1,
                    "modified": True,
                    "waits": ["R2: no answer from NHS 1.1.1.1 on Tunnel0"],
                },
            },
            "cables": STAR_CABLES,
            "pulled": [],
        },
        4723.5,
    )
    assert text.startswith("Lab two from /configs: 3 routers, 2 cables, up 01:02:03\n")
    assert text.endswith(
        "\n\nR2: no answer from NHS 1.1.1.1 on Tunnel0\nR2: restarted 1 time\nR2: running-config is not saved\n"
    )
