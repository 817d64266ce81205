"""Routers of the classic lab once its crypto lines are in: R1 with three spokes, R2 with its hub, and an odd branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from iosish.cli.load import load
from iosish.config.crypto import Crypto
from iosish.config.model import Interface, Protection
from iosish.forwarding.tables import Tunnel
from iosish.ike.config import Authentication, Hash
from iosish.ike.config import Cipher as IkeCipher
from iosish.ike.state import FlowState, IkeState, IpsecSa, IsakmpSa
from iosish.ipsec.sa import SaCounters, SaKey
from iosish.ipsec.transforms import Cipher, Integrity, Mode, Transform
from iosish.snapshot import Snapshot
from tests.show.routers import NOW, ago, ahead, branch, hub, ip, spoke
from tests.terminal.shipped import shipped_grammar

#: What the article adds to every router; the tunnel's own line is `protect`'s.
CLASSIC = """
crypto isakmp policy 10
 authentication pre-share
crypto isakmp key P4ssw0rd address 172.16.0.0 255.255.0.0
crypto ipsec transform-set MyTransformSet esp-aes esp-sha-hmac
crypto ipsec profile MyProfile
 set transform-set MyTransformSet
"""

STRONG = """
crypto keyring HUBS
  pre-shared-key address 198.51.100.1 key Hub1
  pre-shared-key hostname hub.example.net key 6 ^FGTKEAbGCSQ
crypto isakmp policy 20
 encr 3des
 hash md5
 group 2
 lifetime 3600
crypto isakmp policy 10
 encr aes 256
 hash sha256
 authentication pre-share
 group 14
crypto isakmp policy 30
 encr aes 192
 hash sha512
 authentication ecdsa-sig
 group 24
crypto isakmp key Everybody address 0.0.0.0
crypto isakmp key Lab1 address 10.0.0.0 255.0.0.0
crypto isakmp key Named hostname spoke.example.net
crypto isakmp profile HUB
   keyring HUBS
   match identity address 198.51.100.0 255.255.255.0
   match identity address 203.0.113.9 255.255.255.255
   match identity host hub.example.net
crypto ipsec security-association lifetime kilobytes disable
crypto ipsec transform-set STRONG-1 esp-aes 256 esp-sha256-hmac
 mode transport
crypto ipsec transform-set STRONG-2 esp-gcm 256
 mode tunnel
crypto ipsec profile STRONG
 set security-association lifetime seconds 7200
 set security-association lifetime kilobytes 100000
 set transform-set STRONG-1 STRONG-2
 set pfs group14
 set isakmp-profile HUB
"""

#: What became of the hub's crypto sockets: one peer left, another one lost its SAs once.
SOCKETS = {
    "Listen Start": 1,
    "Listen Ready": 1,
    "Socket Open": 4,
    "Socket Close": 1,
    "Socket Up": 5,
    "Socket Down": 2,
}

AES_SHA = Transform(Cipher.AES_CBC, 128, Integrity.SHA1)


def isakmp_sa(
    connection_id: int,
    local: str,
    peer: str,
    *,
    initiator: bool = False,
    state: str = "QM_IDLE",
    active: bool = True,
    lasts: str | None = "23:57:32",
) -> IsakmpSa:
    """DES, SHA-1, a pre-shared key and group 1, as the classic lab agrees on."""
    return IsakmpSa(
        connection_id,
        ip(local),
        500,
        ip(peer),
        500,
        initiator,
        state,
        active,
        created_at=ago("00:02:28"),
        expires_at=None if lasts is None else ahead(lasts),
        cipher=IkeCipher.DES,
        hash=Hash.SHA1,
        authentication=Authentication.PRE_SHARE,
        group=1,
        lifetime_s=86400,
        peer_identity=peer,
    )


def attempt(local: str, peer: str, state: str = "MM_NO_STATE") -> IsakmpSa:
    """An ISAKMP SA of which nothing is agreed yet."""
    return IsakmpSa(0, ip(local), 500, ip(peer), 500, True, state, True, created_at=ago("00:00:03"))


def ipsec_sa(
    connection_id: int,
    spi: int,
    peer: str,
    *,
    inbound: bool,
    transform: Transform = AES_SHA,
    mode: Mode = Mode.TUNNEL,
    lasts: str = "00:57:32",
) -> IpsecSa:
    return IpsecSa(
        SaKey(spi, inbound, ip(peer)),
        connection_id,
        transform,
        mode,
        udp=False,
        created_at=ago("00:02:28"),
        expires_at=ahead(lasts),
        lifetime_s=3600,
        lifetime_kb=4608000,
        replay_window=64,
    )


def flow(local: str, peer: str, connection_id: int, spi_in: int, spi_out: int, up: str) -> FlowState:
    """A flow that is up since `up`, with one pair of SAs in tunnel mode."""
    return FlowState(
        "Tunnel0-head-0",
        ip(local),
        ip(peer),
        ip(local),
        ip(peer),
        status="UP-ACTIVE",
        up_since=ago(up),
        inbound=(ipsec_sa(connection_id, spi_in, peer, inbound=True),),
        outbound=(ipsec_sa(connection_id + 1, spi_out, peer, inbound=False),),
        identity=peer,
    )


def counters(flows: tuple[FlowState, ...], packets: int) -> dict[SaKey, SaCounters]:
    """Every SA has carried packets of 128 octets; one flow more than the one before it."""
    found = {}
    for place, one in enumerate(flows):
        for sa in (*one.inbound, *one.outbound):
            sent = packets + 10 * place + (0 if sa.key.inbound else 1)
            found[sa.key] = SaCounters(packets=sent, octets=128 * sent, sequence=sent + 2, last_at=NOW)
    return found


def crypto(lines: str) -> Crypto:
    loaded = load(shipped_grammar(), lines)
    assert not list(loaded.refused()), loaded
    return loaded.config.crypto


def protect(
    snapshot: Snapshot, tunnels: Mapping[str, Tunnel], lines: str = CLASSIC, profile: str = "MyProfile"
) -> Snapshot:
    """The same router with these crypto lines, and `tunnel protection` on these tunnels."""
    interfaces: dict[str, Interface] = dict(snapshot.config.interfaces)
    for name in tunnels:
        before = interfaces[name]
        interfaces[name] = replace(before, tunnel=replace(before.tunnel, protection=Protection(profile)))
    return replace(
        snapshot,
        config=replace(snapshot.config, crypto=crypto(lines), interfaces=interfaces),
        desired=replace(snapshot.desired, tunnels=dict(tunnels)),
    )


def secured_hub() -> Snapshot:
    """R1 with its spokes, all QM_IDLE, and with `crypto isakmp keepalive 10 periodic`."""
    before = hub()
    flows = (
        flow("172.16.15.2", "172.16.25.2", 3, 0x8DD9D24, 0x122E236, "00:02:28"),
        flow("172.16.15.2", "172.16.35.2", 1, 0xFB47100C, 0x7A70E7A, "00:02:26"),
        flow("172.16.15.2", "172.16.45.2", 5, 0x3B373020, 0xCBF7D623, "00:02:25"),
    )
    isakmp = tuple(
        replace(isakmp_sa(connection_id, "172.16.15.2", spoke), capabilities="D")
        for connection_id, spoke in ((1002, "172.16.25.2"), (1001, "172.16.35.2"), (1003, "172.16.45.2"))
    )
    tunnel = replace(before.desired.tunnels["Tunnel0"], crypto_map="Tunnel0-head-0")
    return replace(
        protect(before, {"Tunnel0": tunnel}),
        ike=IkeState(isakmp=isakmp, flows=flows),
        sas=counters(flows, 20),
        sockets=SOCKETS,
        drops={"no SA": 7, "not protected": 12, "key mismatch": 1},
    )


def secured_spoke() -> Snapshot:
    """R2 with its hub, in transport mode and with keepalives, before it pings anybody."""
    before = spoke()
    plain = flow("172.16.25.2", "172.16.15.2", 1, 0x122E236, 0x8DD9D24, "00:02:28")
    one = replace(
        plain,
        inbound=tuple(replace(sa, mode=Mode.TRANSPORT) for sa in plain.inbound),
        outbound=tuple(replace(sa, mode=Mode.TRANSPORT) for sa in plain.outbound),
    )
    isakmp = replace(isakmp_sa(1001, "172.16.25.2", "172.16.15.2", initiator=True), capabilities="D")
    tunnel = Tunnel("Tunnel0", ip("172.16.25.2"), multipoint=True, crypto_map="Tunnel0-head-0")
    return replace(
        protect(before, {"Tunnel0": tunnel}), ike=IkeState(isakmp=(isakmp,), flows=(one,)), sas=counters((one,), 20)
    )


def odd_branch() -> Snapshot:
    """R7: behind NAT with AES-256 and a rekey on its way, a peer whose phase 1 is gone, and one it tries to reach."""
    before = branch()
    strong = Transform(Cipher.AES_CBC, 256, Integrity.SHA256)
    gcm = Transform(Cipher.AES_GCM, 256)

    def behind_nat(sa: IpsecSa) -> IpsecSa:
        return replace(sa, udp=True, mode=Mode.TRANSPORT, replay_window=1024, pfs=14)

    nat = FlowState(
        "Tunnel10-head-0",
        ip("7.7.7.7"),
        ip("198.51.100.1"),
        ip("7.7.7.7"),
        ip("198.51.100.1"),
        peer_port=4500,
        status="UP-ACTIVE",
        up_since=NOW - 15 * 86400,
        inbound=(
            behind_nat(ipsec_sa(13, 0xABCD1234, "198.51.100.1", inbound=True, transform=strong)),
            behind_nat(ipsec_sa(11, 0xABCD1233, "198.51.100.1", inbound=True, transform=strong, lasts="00:00:25")),
        ),
        outbound=(
            behind_nat(ipsec_sa(14, 0x1234ABCD, "198.51.100.1", inbound=False, transform=strong)),
            behind_nat(ipsec_sa(12, 0x1234ABCC, "198.51.100.1", inbound=False, transform=strong, lasts="00:00:25")),
        ),
        identity="hub.example.net",
        profile="HUB",
    )
    no_ike = FlowState(
        "Tunnel10-head-0",
        ip("7.7.7.7"),
        ip("198.51.100.3"),
        ip("7.7.7.7"),
        ip("10.0.0.3"),
        status="UP-NO-IKE",
        up_since=ago("26:10:00"),
        inbound=(
            replace(ipsec_sa(21, 0x21, "198.51.100.3", inbound=True, transform=gcm), lifetime_kb=None, replay_window=0),
        ),
        outbound=(
            replace(
                ipsec_sa(22, 0x623029E, "198.51.100.3", inbound=False, transform=gcm),
                lifetime_kb=None,
                replay_window=0,
            ),
        ),
    )
    negotiating = FlowState(
        "Tunnel2-head-0",
        ip("203.0.113.7"),
        ip("203.0.113.9"),
        ip("203.0.113.7"),
        ip("203.0.113.9"),
        status="DOWN-NEGOTIATING",
    )
    isakmp = (
        replace(
            isakmp_sa(2913, "7.7.7.7", "198.51.100.1", initiator=True, lasts="09:03:41"),
            local_port=4500,
            peer_port=4500,
            cipher=IkeCipher.AES,
            key_bits=256,
            hash=Hash.SHA256,
            group=14,
            capabilities="DN",
            peer_identity="hub.example.net",
            profile="HUB",
            nat_local=True,
        ),
        replace(isakmp_sa(2912, "7.7.7.7", "198.51.100.1", active=False, state="MM_NO_STATE"), profile="HUB"),
        attempt("203.0.113.7", "203.0.113.9", "MM_KEY_EXCH"),
        isakmp_sa(0, "203.0.113.7", "203.0.113.9", active=False, state="MM_NO_STATE", lasts=None),
        attempt("203.0.113.7", "203.0.113.66"),
    )
    sas = counters((nat, no_ike), 1000)
    sas[nat.inbound[0].key] = SaCounters(
        packets=449282,
        octets=345_000_000,
        sequence=449290,
        replay_errors=1,
        integrity_errors=2,
        length_errors=3,
        identity_errors=4,
    )
    sas[nat.outbound[0].key] = SaCounters(packets=772730, octets=4_608_000 * 1024, sequence=772730, send_errors=5)
    tunnels = {
        "Tunnel10": Tunnel("Tunnel10", ip("7.7.7.7"), multipoint=True, crypto_map="Tunnel10-head-0"),
        "Tunnel2": Tunnel("Tunnel2", ip("203.0.113.7"), crypto_map="Tunnel2-head-0"),
    }
    return replace(
        protect(before, tunnels, STRONG, "STRONG"),
        ike=IkeState(isakmp=isakmp, flows=(nat, no_ike, negotiating)),
        sas=sas,
    )


CRYPTO_ROUTERS = {"secured hub": secured_hub, "secured spoke": secured_spoke, "odd branch": odd_branch}
