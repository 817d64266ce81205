"""`show crypto ipsec sa`: the paragraph of a peer, whole, and what changes in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iosish.config.model import Protection
from iosish.ike.state import IkeState
from iosish.ipsec.sa import SaCounters
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform
from iosish.show.crypto_ipsec import by_address, count, identity, sa
from iosish.snapshot import Snapshot
from tests.show.crypto_routers import odd_branch, secured_hub, secured_spoke
from tests.show.routers import ip

SPOKE = """\

interface: Tunnel0
    Crypto map tag: Tunnel0-head-0, local addr 172.16.25.2

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (172.16.25.2/255.255.255.255/47/0)
   remote ident (addr/mask/prot/port): (172.16.15.2/255.255.255.255/47/0)
   current_peer 172.16.15.2 port 500
     PERMIT, flags={origin_is_acl,}
    #pkts encaps: 21, #pkts encrypt: 21, #pkts digest: 21
    #pkts decaps: 20, #pkts decrypt: 20, #pkts verify: 20
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
    #send errors 0, #recv errors 0

     local crypto endpt.: 172.16.25.2, remote crypto endpt.: 172.16.15.2
     plaintext mtu 1458, path mtu 1500, ip mtu 1500, ip mtu idb FastEthernet0/0
     current outbound spi: 0x8DD9D24(148741412)
     PFS (Y/N): N, DH group: none

     inbound esp sas:
      spi: 0x122E236(19063350)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Transport, }
        conn id: 1, flow_id: SW:1, sibling_flags 80000000, crypto map: Tunnel0-head-0
        sa timing: remaining key lifetime (k/sec): (4607998/3452)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)

     inbound ah sas:

     inbound pcp sas:

     outbound esp sas:
      spi: 0x8DD9D24(148741412)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Transport, }
        conn id: 2, flow_id: SW:2, sibling_flags 80000000, crypto map: Tunnel0-head-0
        sa timing: remaining key lifetime (k/sec): (4607998/3452)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)

     outbound ah sas:

     outbound pcp sas:
"""

DETAIL_COUNTERS = """\
    #pkts no sa (send) 0, #pkts invalid sa (rcv) 0
    #pkts encaps failed (send) 5, #pkts decaps failed (rcv) 0
    #pkts invalid prot (recv) 0, #pkts verify failed: 2
    #pkts invalid identity (recv) 4, #pkts invalid len (rcv) 3
    #pkts replay rollover (send): 0, #pkts replay rollover (rcv) 0
    ##pkts replay failed (rcv): 1
    #pkts tagged (send): 0, #pkts untagged (rcv): 0
    #pkts not tagged (send): 0, #pkts not untagged (rcv): 0
    #pkts internal err (send): 0, #pkts internal err (recv) 0
"""

BEHIND_NAT = """\
     local crypto endpt.: 7.7.7.7, remote crypto endpt.: 198.51.100.1
     plaintext mtu 1442, path mtu 1500, ip mtu 1500, ip mtu idb (none)
     current outbound spi: 0x1234ABCD(305441741)
     PFS (Y/N): Y, DH group: group14

     inbound esp sas:
      spi: 0xABCD1234(2882343476)
        transform: esp-256-aes esp-sha256-hmac ,
        in use settings ={Transport UDP-Encaps, }
        conn id: 13, flow_id: SW:13, sibling_flags 80000000, crypto map: Tunnel10-head-0
        sa timing: remaining key lifetime (k/sec): (4271086/3452)
        IV size: 16 bytes
        replay detection support: Y  replay window size: 1024
        Status: ACTIVE(ACTIVE)
"""

NO_VOLUME = """\
      spi: 0x623029E(102957726)
        transform: esp-gcm 256 ,
        in use settings ={Tunnel, }
        conn id: 22, flow_id: SW:22, sibling_flags 80000040, crypto map: Tunnel10-head-0
        sa timing: remaining key lifetime (sec): 3452
        Kilobyte Volume Rekey has been disabled
        IV size: 8 bytes
        replay detection support: N
        Status: ACTIVE(ACTIVE)
"""

NEGOTIATING = """\

interface: Tunnel2
    Crypto map tag: Tunnel2-head-0, local addr 203.0.113.7

   protected vrf: (none)
   local  ident (addr/mask/prot/port): (203.0.113.7/255.255.255.255/47/0)
   remote ident (addr/mask/prot/port): (203.0.113.9/255.255.255.255/47/0)
   current_peer 203.0.113.9 port 500
     PERMIT, flags={origin_is_acl,}
    #pkts encaps: 0, #pkts encrypt: 0, #pkts digest: 0
    #pkts decaps: 0, #pkts decrypt: 0, #pkts verify: 0
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
    #send errors 0, #recv errors 0

     local crypto endpt.: 203.0.113.7, remote crypto endpt.: 203.0.113.9
     plaintext mtu 1492, path mtu 1492, ip mtu 1492, ip mtu idb GigabitEthernet0/1
     current outbound spi: 0x0(0)
     PFS (Y/N): N, DH group: none

     inbound esp sas:

     inbound ah sas:

     inbound pcp sas:

     outbound esp sas:

     outbound ah sas:

     outbound pcp sas:
"""

SPOKE_ADDRESS = """\
fvrf/address: (none)/172.16.15.2
   protocol: ESP
      spi: 0x8DD9D24(148741412)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Transport, }
        conn id: 2, flow_id: SW:2, sibling_flags 80000000, crypto map: Tunnel0-head-0
        sa timing: remaining key lifetime (k/sec): (4607998/3452)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)
fvrf/address: (none)/172.16.25.2
   protocol: ESP
      spi: 0x122E236(19063350)
        transform: esp-aes esp-sha-hmac ,
        in use settings ={Transport, }
        conn id: 1, flow_id: SW:1, sibling_flags 80000000, crypto map: Tunnel0-head-0
        sa timing: remaining key lifetime (k/sec): (4607998/3452)
        IV size: 16 bytes
        replay detection support: Y
        Status: ACTIVE(ACTIVE)
"""


def test_the_spoke_has_one_pair_with_its_hub() -> None:
    assert sa(secured_spoke()) == SPOKE


def test_a_configuration_of_12_4_gets_what_was_said_then() -> None:
    before = secured_spoke()
    router = replace(before, config=replace(before.config, version="12.4"))
    expected = SPOKE.replace("plaintext mtu 1458, ", "").replace("     PFS (Y/N): N, DH group: none\n", "")
    assert sa(router) == expected.replace(", sibling_flags 80000000", "").replace("ACTIVE(ACTIVE)", "ACTIVE")


def test_the_hub_has_a_paragraph_for_each_spoke_under_one_heading() -> None:
    lines = sa(secured_hub()).splitlines()
    assert lines.count("interface: Tunnel0") == 1
    assert [line for line in lines if "current_peer" in line] == [
        f"   current_peer 172.16.{number}5.2 port 500" for number in (2, 3, 4)
    ]
    assert lines[0] == "" and lines[-1] == "     outbound pcp sas:"


def test_detail_tells_errors_apart_and_always_says_the_window() -> None:
    screen = sa(odd_branch(), detail=True, peer=ip("198.51.100.1"))
    assert DETAIL_COUNTERS in screen
    assert "#send errors" not in screen
    assert "replay detection support: Y  replay window size: 64\n" in sa(secured_spoke(), detail=True)


def test_errors_are_summed_in_the_short_form() -> None:
    assert "    #send errors 5, #recv errors 10\n" in sa(odd_branch(), peer=ip("198.51.100.1"))


def test_what_was_counted_before_a_rekey_counts() -> None:
    router = secured_spoke()
    (flow,) = router.ike.flows
    before = replace(flow, ended_in=SaCounters(packets=400, replay_errors=3), ended_out=SaCounters(packets=500))
    screen = sa(replace(router, ike=replace(router.ike, flows=(before,))))
    assert "    #pkts encaps: 521, #pkts encrypt: 521, #pkts digest: 521\n" in screen
    assert "    #pkts decaps: 420, #pkts decrypt: 420, #pkts verify: 420\n" in screen
    assert "    #send errors 0, #recv errors 3\n" in screen


def test_nat_traversal_pfs_and_an_old_pair_on_its_way_out() -> None:
    screen = sa(odd_branch(), peer=ip("198.51.100.1"))
    assert BEHIND_NAT in screen
    assert [line.split()[1] for line in screen.splitlines() if "  spi: " in line] == [
        "0xABCD1234(2882343476)",
        "0xABCD1233(2882343475)",
        "0x1234ABCD(305441741)",
        "0x1234ABCC(305441740)",
    ]


def test_without_a_volume_limit_and_without_replay_detection() -> None:
    assert NO_VOLUME in sa(odd_branch(), peer=ip("198.51.100.3"))


def test_a_flow_without_sas_keeps_its_headings() -> None:
    assert sa(odd_branch(), interface="Tunnel2") == NEGOTIATING


def test_a_worn_sa_has_nothing_left() -> None:
    assert "remaining key lifetime (k/sec): (0/3452)" in sa(odd_branch())


def test_nothing_to_show() -> None:
    nothing = "\nNo SAs found\n"
    router = replace(secured_hub(), ike=IkeState())
    assert sa(router) == identity(router) == by_address(router) == nothing
    assert sa(secured_hub(), interface="Tunnel1") == nothing
    assert sa(secured_hub(), peer=ip("10.0.0.1")) == nothing


def test_identity_is_all_but_the_sas() -> None:
    assert identity(secured_spoke()) == SPOKE.partition("\n     local crypto")[0]
    assert "##pkts replay failed" in identity(secured_spoke(), detail=True)


def test_address_has_the_sas_by_their_destination() -> None:
    assert by_address(secured_spoke()) == SPOKE_ADDRESS


def test_count() -> None:
    assert count(secured_hub()) == "IPsec SA total: 6, active: 6, rekeying: 0, unused: 0, invalid: 0\n"
    assert count(odd_branch()) == "IPsec SA total: 6, active: 4, rekeying: 2, unused: 0, invalid: 0\n"


def test_a_shared_profile_shows_its_sas_under_each_of_its_tunnels() -> None:
    router = shared()
    headings = [line for line in sa(router).splitlines() if "interface: " in line or "map tag" in line]
    assert headings == [
        "interface: Tunnel0",
        "    Crypto map tag: MyProfile-head-1, local addr 172.16.25.2",
        "interface: Tunnel1",
        "    Crypto map tag: MyProfile-head-1, local addr 172.16.25.2",
    ]
    assert by_address(router).count("spi: ") == 2


def shared() -> Snapshot:
    """R2 with a second tunnel under the same profile and source."""
    before = secured_spoke()
    tunnel = before.config.interfaces["Tunnel0"]
    tunnel = replace(tunnel, tunnel=replace(tunnel.tunnel, protection=Protection("MyProfile", shared=True)))
    tag = "MyProfile-head-1"
    forwarded = replace(before.desired.tunnels["Tunnel0"], crypto_map=tag)
    flows = tuple(replace(flow, crypto_map=tag) for flow in before.ike.flows)
    interfaces = {**before.config.interfaces, "Tunnel0": tunnel, "Tunnel1": replace(tunnel, name="Tunnel1")}
    return replace(
        before,
        config=replace(before.config, interfaces=interfaces),
        desired=replace(before.desired, tunnels={"Tunnel0": forwarded, "Tunnel1": replace(forwarded, name="Tunnel1")}),
        ike=replace(before.ike, flows=flows),
    )


@pytest.mark.parametrize(
    ("transform", "mode", "udp", "mtu"),
    [  # What IOS printed for a path of 1500 octets (1400 for the last).
        (Transform(Cipher.AES_CBC, 256, Integrity.SHA1), Mode.TUNNEL, False, 1438),
        (Transform(Cipher.AES_CBC, 256, Integrity.SHA1), Mode.TRANSPORT, True, 1442),
        (Transform(Cipher.AES_CBC, 256, Integrity.SHA1), Mode.TRANSPORT, False, 1362),
    ],
)
def test_plaintext_mtu(transform: Transform, mode: Mode, udp: bool, mtu: int) -> None:
    before = secured_spoke()
    (flow,) = before.ike.flows
    outbound = tuple(replace(sa, transform=transform, mode=mode, udp=udp) for sa in flow.outbound)
    path = 1400 if mtu < 1400 else 1500
    port = replace(before.config.interfaces["FastEthernet0/0"], ip_mtu=path)
    router = replace(
        before,
        config=replace(before.config, interfaces={**before.config.interfaces, port.name: port}),
        ike=replace(before.ike, flows=(replace(flow, outbound=outbound),)),
    )
    assert f"plaintext mtu {mtu}, path mtu {path}, ip mtu {path}, ip mtu idb FastEthernet0/0" in sa(router)


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (Transform(Cipher.DES, 0, Integrity.MD5), "esp-des esp-md5-hmac"),
        (Transform(Cipher.TRIPLE_DES, 0, Integrity.SHA1), "esp-3des esp-sha-hmac"),
        (Transform(Cipher.AES_CBC, 192, Integrity.SHA512), "esp-192-aes esp-sha512-hmac"),
        (Transform(Cipher.NULL, 0, Integrity.SHA384), "esp-null esp-sha384-hmac"),
        (Transform(Cipher.AES_GCM, 128), "esp-gcm"),
        (Transform(Cipher.AES_CBC, 128), "esp-aes"),
    ],
)
def test_transforms_in_the_words_of_ios(transform: Transform, words: str) -> None:
    before = secured_spoke()
    (flow,) = before.ike.flows
    inbound = tuple(replace(sa, transform=transform) for sa in flow.inbound)
    router = replace(before, ike=replace(before.ike, flows=(replace(flow, inbound=inbound),)))
    assert f"        transform: {words} ,\n" in sa(router)
