"""Main mode with strongSwan, both ways round, and quick mode as far as it goes on a kernel that has no ESP.

There strongSwan answers QM1 and takes QM2, and gives up when it installs the SA. That is asserted too: on a kernel with
ESP these tests would have to ask for more. Whole conversations run in a guest kernel (test_guest.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.far_ends.conftest import FAR, NEAR
from tests.far_ends.router import Router
from tests.far_ends.strongswan import MISSING, StrongSwan
from tests.user_plane.node import Namespace

pytestmark = [pytest.mark.live, pytest.mark.skipif(MISSING is not None, reason=f"no {MISSING}")]

KEY = "cisco123"

#: strongSwan's proposal and the lines that mean it here.
PROPOSALS = {
    "des-sha1-modp768": (),
    "3des-md5-modp1024": ("encr 3des", "hash md5", "group 2"),
    "aes128-sha1-modp1024": ("encr aes", "group 2"),
    "aes192-sha384-modp1536": ("encr aes 192", "hash sha384", "group 5"),
    "aes256-sha256-modp2048": ("encr aes 256", "hash sha256", "group 14"),
    "aes256-sha512-modp4096": ("encr aes 256", "hash sha512", "group 16"),
    "aes256-sha1-ecp256": ("encr aes 256", "group 19"),
    "aes256-sha256-ecp521": ("encr aes 256", "hash sha256", "group 21"),
}
CLASSIC = "aes128-sha1-modp1024"


def crypto(*proposals: str, key: str = KEY, more: str = "") -> str:
    """The crypto lines, with a policy for each of strongSwan's proposals."""
    policies = (
        f"crypto isakmp policy {number}0\n"
        + "".join(f" {line}\n" for line in (*PROPOSALS[proposal], "authentication pre-share"))
        for number, proposal in enumerate(proposals, start=1)
    )
    return f"""{"".join(policies)}crypto isakmp key {key} address 0.0.0.0 0.0.0.0
{more}crypto ipsec transform-set AES esp-aes esp-sha-hmac
 mode transport
crypto ipsec profile P
 set transform-set AES
interface FastEthernet0/0
 ip address {NEAR} 255.255.255.0
"""


TUNNEL = """interface Tunnel0
 ip address 192.168.0.1 255.255.255.0
 ip nhrp network-id 1
 tunnel source FastEthernet0/0
 tunnel mode gre multipoint
 tunnel protection ipsec profile P
"""
#: Waits for whoever comes.
HUB = f"{TUNNEL} ip nhrp map multicast dynamic\n"
#: Wants its hub at once.
SPOKE = f"{TUNNEL} ip nhrp nhs 192.168.0.2 nbma {FAR} multicast\n"


@pytest.fixture
def strongswan(ends: tuple[Namespace, Namespace], tmp_path: Path) -> Iterator[StrongSwan]:
    with StrongSwan(ends[1], tmp_path / "strongswan") as made:
        yield made


@pytest.mark.parametrize("proposal", PROPOSALS)
def test_iosish_initiates(
    ends: tuple[Namespace, Namespace], strongswan: StrongSwan, tmp_path: Path, proposal: str
) -> None:
    strongswan.load(FAR, NEAR, ike=proposal, secret=KEY)
    with Router(ends[0], tmp_path, crypto(proposal) + SPOKE) as router:
        strongswan.says(
            f"{NEAR} is initiating a Main Mode IKE_SA",
            "received DPD vendor ID",
            "received NAT-T (RFC 3947) vendor ID",
            "parsed ID_PROT request 0 [ ID HASH",
            f"IKE_SA peer[1] established between {FAR}[{FAR}]...{NEAR}[{NEAR}]",
            "[ HASH SA No ID ID ]",
            "generating QUICK_MODE response",
            "received netlink error: Protocol not supported",  # its kernel has no ESP: what follows, it cannot do
        )
        router.shows("show crypto isakmp sa", f"{FAR}        {NEAR}        QM_IDLE", "ACTIVE")


def test_strongswan_initiates(ends: tuple[Namespace, Namespace], strongswan: StrongSwan, tmp_path: Path) -> None:
    """One router with a policy for each proposal: the one that is offered is the one that is agreed."""
    with Router(ends[0], tmp_path, crypto(*PROPOSALS) + HUB) as router:
        for number, proposal in enumerate(PROPOSALS, start=1):
            strongswan.load(FAR, NEAR, ike=proposal, secret=KEY)
            assert not strongswan.initiate()  # quick mode ends where the kernel has no ESP
            strongswan.says(
                f"IKE_SA peer[{number}] established between {FAR}[{FAR}]...{NEAR}[{NEAR}]",
                "parsed QUICK_MODE response",
                "unable to install inbound and outbound IPsec SA (SAD) in kernel",
            )
            router.shows("show crypto isakmp sa", f"{NEAR}        {FAR}        QM_IDLE", "ACTIVE")
            assert strongswan.swanctl("--terminate", "--ike", "peer").returncode == 0
            router.shows("show crypto isakmp sa", "dst", without="QM_IDLE")


def test_no_proposal_in_common(ends: tuple[Namespace, Namespace], strongswan: StrongSwan, tmp_path: Path) -> None:
    strongswan.load(FAR, NEAR, ike="aes256-sha512-modp4096", secret=KEY)
    with Router(ends[0], tmp_path, crypto(CLASSIC) + HUB):
        assert not strongswan.initiate()
        strongswan.says("received NO_PROPOSAL_CHOSEN error notify")


def test_our_key_is_wrong(ends: tuple[Namespace, Namespace], strongswan: StrongSwan, tmp_path: Path) -> None:
    strongswan.load(FAR, NEAR, ike=CLASSIC, secret=KEY)
    with Router(ends[0], tmp_path, crypto(CLASSIC, key="wrong") + SPOKE) as router:
        strongswan.says("decryption failed")
        router.says(f"%CRYPTO-5-IKMP_SETUP_FAILURE: IKE SETUP FAILED for local:{NEAR} local_id:{NEAR} remote:{FAR} ")
        router.says("fail_reason:message 5 is not answered: Pre-Shared Key mismatch?")
        router.shows("show crypto isakmp sa", "MM_KEY_EXCH")
        assert "established" not in strongswan.log


def test_the_key_of_who_calls_is_wrong(
    ends: tuple[Namespace, Namespace], strongswan: StrongSwan, tmp_path: Path
) -> None:
    strongswan.load(FAR, NEAR, ike=CLASSIC, secret="wrong")
    with Router(ends[0], tmp_path, crypto(CLASSIC) + HUB) as router:
        assert not strongswan.initiate()
        router.says(f"%CRYPTO-4-IKMP_BAD_MESSAGE: IKE message from {FAR} failed its sanity check or is malformed")
        router.says("fail_reason:message 5 is malformed: Pre-Shared Key mismatch?")
        router.shows("show crypto isakmp sa", "dst", without="QM_IDLE")
        assert "established" not in strongswan.log


def test_dead_peer_detection(ends: tuple[Namespace, Namespace], strongswan: StrongSwan, tmp_path: Path) -> None:
    strongswan.load(FAR, NEAR, ike=CLASSIC, secret=KEY, dpd_s=1)
    with Router(ends[0], tmp_path, crypto(CLASSIC, more="crypto isakmp keepalive 10 periodic\n") + SPOKE) as router:
        strongswan.hears("[ HASH N(DPD_ACK) ]", "[ HASH N(DPD) ]")
        assert "generating INFORMATIONAL_V1 request" in strongswan.log
        router.shows("show crypto isakmp sa", "QM_IDLE")


def test_deletes(ends: tuple[Namespace, Namespace], strongswan: StrongSwan, tmp_path: Path) -> None:
    """Ours by `clear crypto isakmp`, and its own: each time a spoke comes again by itself. At its end it says so."""
    strongswan.load(FAR, NEAR, ike=CLASSIC, secret=KEY)
    with Router(ends[0], tmp_path, crypto(CLASSIC) + SPOKE) as router:
        strongswan.says("IKE_SA peer[1] established")
        router.shows("show crypto isakmp sa", "QM_IDLE")
        router.look("clear crypto isakmp")
        strongswan.says("received DELETE for IKE_SA peer[1]", "IKE_SA peer[2] established")
        assert strongswan.swanctl("--terminate", "--ike", "peer").returncode == 0
        strongswan.says("IKE_SA peer[3] established")
        router.shows("show crypto isakmp sa", "QM_IDLE")
        router.stop()
        strongswan.says("received DELETE for IKE_SA peer[3]")
