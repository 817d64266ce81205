"""The log of a hub and its spokes, word for word: a spoke comes, goes, is refused, or has another key."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from iosish.config.model import Config
from iosish.sim.topology import SimLab
from tests.simulation import encrypted_lab
from tests.simulation.test_cloud import make

Read = Callable[[str], Config]

EXPIRED = "External(NHRP: no error)"
R1, R2 = "(Tunnel: 192.168.0.1 NBMA: 172.16.15.2", "(Tunnel: 192.168.0.2 NBMA: 172.16.25.2"
CLIENT_UP = f"Tunnel0: Next Hop Client : {R2}) for {R1}) is UP"
CLIENT_DOWN = f"Tunnel0: Next Hop Client : {R2} ) for {R1}) is DOWN"
SERVER_UP = f"Tunnel0: Next Hop Server : {R1}) for {R2}) is  UP"
SERVER_DOWN = f"Tunnel0: Next Hop Server : {R1} ) for {R2}) is DOWN"


def log(lab: SimLab, name: str, facilities: Iterable[str], since: float = 0.0) -> list[str]:
    """What a router said of these facilities, in order."""
    return [
        f"%{event.facility}-{event.severity}-{event.mnemonic}: {event.text}"
        for at, event in lab[name].events
        if at >= since and event.facility in facilities
    ]


DMVPN = ("DMVPN", "NHRP", "IOSISH")


def test_a_spoke_comes_and_goes(classic: dict[str, str], read: Read) -> None:
    lab = make(classic, read, {"R2": "interface Tunnel0\n ip nhrp holdtime 20\n"})
    lab.world.run_until(15.0)
    assert [line for line in log(lab, "R1", DMVPN) if "192.168.0.2 " in line] == [f"%DMVPN-5-NHRP_NHC_UP: {CLIENT_UP}"]
    assert log(lab, "R2", ("LINK", "LINEPROTO", *DMVPN)) == [
        "%LINK-5-UPDOWN: Interface Tunnel0, changed state to up",
        "%LINK-3-UPDOWN: Interface FastEthernet0/0, changed state to up",
        "%LINEPROTO-5-UPDOWN: Line protocol on Interface FastEthernet0/0, changed state to up",
        "%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up",
        f"%DMVPN-5-NHRP_NHS_UP: {SERVER_UP}",
    ]
    gone = lab.world.now
    down = "interface Tunnel0\n ip nhrp holdtime 20\n shutdown\n"
    lab["R2"].configure(read(classic["R2"].replace("\nend", f"\n{down}\nend")))
    lab.world.run_until(gone + 60.0)
    assert log(lab, "R1", DMVPN, gone) == [
        f"%DMVPN-5-NHRP_NHC_DOWN: {CLIENT_DOWN}, Reason: {EXPIRED}",
    ]
    assert log(lab, "R2", ("LINK", "LINEPROTO", *DMVPN), gone) == [
        "%LINK-5-CHANGED: Interface Tunnel0, changed state to administratively down",
        "%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to down",
        f"%DMVPN-5-NHRP_NHS_DOWN: {SERVER_DOWN}, Reason: External(NHRP: no error)",
    ]


def test_a_protected_spoke_comes(read: Read) -> None:
    lab = encrypted_lab.make(read)
    lab.world.run_until(15.0)
    assert [line for line in log(lab, "R1", DMVPN) if "172.16.25.2" in line] == [
        "%DMVPN-5-CRYPTO_SS:  Tunnel0: local address : 172.16.15.2 remote address : 172.16.25.2 socket is UP",
        f"%DMVPN-5-NHRP_NHC_UP: {CLIENT_UP}",
    ]


def test_a_spoke_with_the_address_of_another_is_refused(classic: dict[str, str], read: Read) -> None:
    thief = "interface Tunnel0\n ip address 192.168.0.2 255.255.255.0\n"
    lab = make(classic, read, {"R3": thief})
    lab.world.run_until(2.0)
    assert set(log(lab, "R3", DMVPN)) == {
        "%NHRP-3-PAKREPLY: Receive Registration Reply packet with error - unique address registered already(14)"
    }
    assert not [line for line in log(lab, "R1", DMVPN) if "172.16.35.2" in line]


def test_another_tunnel_key(classic: dict[str, str], read: Read) -> None:
    lab = make(classic, read, {"R2": "interface Tunnel0\n tunnel key 7\n"})
    lab.world.run_until(10.0)
    assert [line for line in log(lab, "R1", DMVPN) if "172.16.25.2" in line] == [
        "%IOSISH-4-GRE_REFUSED: Tunnel0: packets from 172.16.25.2 are refused: key mismatch"
    ]
    assert log(lab, "R2", DMVPN) == []


def test_another_nhrp_password_which_is_not_in_the_log(classic: dict[str, str], read: Read) -> None:
    passwords = {
        name: f"interface Tunnel0\n ip nhrp authentication {text}\n"
        for name, text in (("R1", "HUBPASS"), ("R2", "OTHERPAS"), ("R3", "HUBPASS"), ("R4", "HUBPASS"))
    }
    lab = make(classic, read, passwords)
    lab.world.run_until(10.0)
    said = [line for line in log(lab, "R1", DMVPN) if "172.16.25.2" in line]
    assert set(said) == {
        "%DMVPN-3-DMVPN_NHRP_ERROR:  Tunnel0: Recieved wrong authentication string for  Registration Request "
        "from 172.16.25.2",
        "%IOSISH-4-NHRP_REFUSED: Tunnel0: NHRP packet from 172.16.25.2 refused: authentication failure",
    }
    assert not [line for name in passwords for line in log(lab, name, DMVPN) if "HUBPASS" in line or "OTHERPAS" in line]


def test_another_pre_shared_key(read: Read) -> None:
    key = "no crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0\n"
    lab = encrypted_lab.make(read, {"R2": f"{key}crypto isakmp key OTHERKEY address 172.16.0.0 255.255.0.0\n"})
    lab.world.run_until(30.0)
    said = log(lab, "R1", ("CRYPTO",))
    assert "%CRYPTO-4-IKMP_BAD_MESSAGE: IKE message from 172.16.25.2 failed its sanity check or is malformed" in said
    assert not [line for line in log(lab, "R1", DMVPN) if "172.16.25.2" in line]
    assert not any("P4ssw0rd" in line or "OTHERKEY" in line for line in said + log(lab, "R2", ("CRYPTO",)))
