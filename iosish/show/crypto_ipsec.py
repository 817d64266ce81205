"""`show crypto ipsec sa`: the protected flows of each tunnel, their counters and SAs."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from iosish.ike.state import FlowState, IpsecSa
from iosish.ipsec.transforms import Mode
from iosish.show import crypto_names, line_state
from iosish.show.crypto_flows import by_interface, counted, receive_errors, remaining_kb, remaining_s, vrfs
from iosish.show.text import page
from iosish.snapshot import Snapshot

NO_SAS = ("", "No SAs found")
HEADING = ("", "interface: {interface}", "    Crypto map tag: {crypto_map}, local addr {local}")
IDENTITY = (
    "",
    "   protected vrf: {vrf}",
    "   local  ident (addr/mask/prot/port): ({selector_local}/255.255.255.255/47/0)",
    "   remote ident (addr/mask/prot/port): ({selector_peer}/255.255.255.255/47/0)",
    "   current_peer {peer} port {port}",
    "     PERMIT, flags={{origin_is_acl,}}",
    "    #pkts encaps: {sent}, #pkts encrypt: {sent}, #pkts digest: {sent}",
    "    #pkts decaps: {received}, #pkts decrypt: {received}, #pkts verify: {received}",
    "    #pkts compressed: 0, #pkts decompressed: 0",
    "    #pkts not compressed: 0, #pkts compr. failed: 0",
    "    #pkts not decompressed: 0, #pkts decompress failed: 0",
)
ERRORS = ("    #send errors {send_errors}, #recv errors {receive_errors}",)
ERRORS_DETAIL = (
    "    #pkts no sa (send) 0, #pkts invalid sa (rcv) 0",
    "    #pkts encaps failed (send) {send_errors}, #pkts decaps failed (rcv) 0",
    "    #pkts invalid prot (recv) 0, #pkts verify failed: {integrity_errors}",
    "    #pkts invalid identity (recv) {identity_errors}, #pkts invalid len (rcv) {length_errors}",
    "    #pkts replay rollover (send): 0, #pkts replay rollover (rcv) 0",
    "    ##pkts replay failed (rcv): {replay_errors}",
    "    #pkts tagged (send): 0, #pkts untagged (rcv): 0",
    "    #pkts not tagged (send): 0, #pkts not untagged (rcv): 0",
    "    #pkts internal err (send): 0, #pkts internal err (recv) 0",
)
ENDPOINTS = (
    "",
    "     local crypto endpt.: {local}, remote crypto endpt.: {peer}",
    "     plaintext mtu {plaintext_mtu}, path mtu {path_mtu}, ip mtu {path_mtu}, ip mtu idb {port}",
    "     current outbound spi: {spi}",
    "     PFS (Y/N): {pfs}, DH group: {group}",
)
ENDPOINTS_12 = (
    *ENDPOINTS[:2],
    "     path mtu {path_mtu}, ip mtu {path_mtu}, ip mtu idb {port}",
    ENDPOINTS[3],
)
SAS = ("", "     {direction} {protocol} sas:")
#: AH and IPComp are not spoken, but their headings stand.
PROTOCOLS = ("esp", "ah", "pcp")
SA = (
    "      spi: {spi}",
    "        transform: {transform} ,",
    "        in use settings ={{{mode}{udp}, }}",
    "        conn id: {connection}, flow_id: SW:{connection}, sibling_flags {flags:X}, crypto map: {crypto_map}",
)
SA_12 = (*SA[:3], "        conn id: {connection}, flow_id: SW:{connection}, crypto map: {crypto_map}")
SA_LIFETIME = ("        sa timing: remaining key lifetime (k/sec): ({kilobytes}/{seconds})",)
SA_NO_VOLUME = (
    "        sa timing: remaining key lifetime (sec): {seconds}",
    "        Kilobyte Volume Rekey has been disabled",
)
SA_END = (
    "        IV size: {iv} bytes",
    "        replay detection support: {replay}",
    "        Status: ACTIVE(ACTIVE)",
)
SA_END_12 = (*SA_END[:2], "        Status: ACTIVE")
WINDOW = "Y  replay window size: {window}"
#: The window that goes without saying.
DEFAULT_WINDOW = 64
IP_HEADER, UDP_HEADER, ESP_HEADER, ESP_TRAILER = 20, 8, 8, 2
FLAG_SA, FLAG_TUNNEL_MODE = 0x80000000, 0x40

ADDRESS = ("fvrf/address: {vrf}/{address}", "   protocol: ESP")

COUNT = "IPsec SA total: {total}, active: {active}, rekeying: {rekeying}, unused: 0, invalid: 0"


def sa(snapshot: Snapshot, detail: bool = False, interface: str | None = None, peer: IPv4Address | None = None) -> str:
    """`show crypto ipsec sa [interface X] [peer A] [detail]`."""
    lines: list[str] = []
    for name, flow, headings in _flows(snapshot, interface, peer):
        lines += headings
        lines += _identity(snapshot, name, flow, detail)
        lines += _endpoints(snapshot, name, flow)
        lines += _sas(snapshot, flow, detail)
    return page(lines or NO_SAS)


def identity(snapshot: Snapshot, detail: bool = False) -> str:
    """`show crypto ipsec sa identity [detail]`: what is protected, without the SAs."""
    lines: list[str] = []
    for name, flow, headings in _flows(snapshot):
        lines += headings
        lines += _identity(snapshot, name, flow, detail)
    return page(lines or NO_SAS)


def by_address(snapshot: Snapshot, detail: bool = False) -> str:
    """`show crypto ipsec sa address [detail]`: the SAs by the address that their packets go to."""
    found: dict[tuple[str, IPv4Address], dict[IpsecSa, str]] = {}
    for name, flow, _ in _flows(snapshot):
        vrf = vrfs(snapshot, name)[0]
        for address, sas in ((flow.local, flow.inbound), (flow.peer, flow.outbound)):
            for sa in sas:
                found.setdefault((vrf, address), {}).setdefault(sa, flow.crypto_map)
    lines: list[str] = []
    for (vrf, address), there in sorted(found.items(), key=lambda place: place[0]):
        lines += [line.format(vrf=vrf, address=address) for line in ADDRESS]
        for sa, crypto_map in there.items():
            lines += _sa(snapshot, sa, crypto_map, detail)
    return page(lines or NO_SAS)


def count(snapshot: Snapshot) -> str:
    """`show crypto ipsec sa count`. A flow's first pair is in use, those behind it wait for their end after a rekey."""
    directions = [sas for flow in snapshot.ike.flows for sas in (flow.inbound, flow.outbound)]
    total, active = sum(len(sas) for sas in directions), sum(1 for sas in directions if sas)
    return page([COUNT.format(total=total, active=active, rekeying=total - active)])


def _flows(
    snapshot: Snapshot, interface: str | None = None, peer: IPv4Address | None = None
) -> Iterator[tuple[str, FlowState, list[str]]]:
    """Each flow with its tunnel, and with the headings that stand above it: at the first of a crypto map."""
    for name, flows in by_interface(snapshot, interface, peer):
        above = None
        for flow in flows:
            new, above = flow.crypto_map != above, flow.crypto_map
            values = {"interface": name, "crypto_map": flow.crypto_map, "local": flow.local}
            yield name, flow, [line.format(**values) for line in HEADING] if new else []


def _identity(snapshot: Snapshot, interface: str, flow: FlowState, detail: bool) -> Iterator[str]:
    received, sent = counted(snapshot, flow)
    for line in IDENTITY + (ERRORS_DETAIL if detail else ERRORS):
        yield line.format(
            vrf=vrfs(snapshot, interface)[1],
            selector_local=flow.selector_local,
            selector_peer=flow.selector_peer,
            peer=flow.peer,
            port=flow.peer_port,
            sent=sent.packets,
            received=received.packets,
            send_errors=sent.send_errors,
            receive_errors=receive_errors(received),
            integrity_errors=received.integrity_errors,
            identity_errors=received.identity_errors,
            length_errors=received.length_errors,
            replay_errors=received.replay_errors,
        )


def _endpoints(snapshot: Snapshot, interface: str, flow: FlowState) -> Iterator[str]:
    path_mtu, port = _path(snapshot, interface)
    newest = flow.outbound[0] if flow.outbound else None
    group = newest.pfs if newest is not None else None
    for line in ENDPOINTS_12 if snapshot.like_12_4 else ENDPOINTS:
        yield line.format(
            local=flow.local,
            peer=flow.peer,
            plaintext_mtu=path_mtu if newest is None else _plaintext_mtu(newest, path_mtu),
            path_mtu=path_mtu,
            port=port,
            spi=crypto_names.spi(0 if newest is None else newest.key.spi),
            pfs="N" if group is None else "Y",
            group="none" if group is None else f"group{group}",
        )


def _path(snapshot: Snapshot, interface: str) -> tuple[int, str]:
    """The MTU of the port that a tunnel's packets leave by, and its name."""
    if interface in snapshot.config.interfaces:
        port = line_state.source_interface(snapshot, line_state.line(snapshot, interface))
        if port is not None and not port.is_loopback:
            return line_state.ip_mtu(snapshot, port), port.name
    return line_state.ETHERNET_MTU, "(none)"


def _plaintext_mtu(sa: IpsecSa, path_mtu: int) -> int:
    """The largest packet that still fits into the path when it is ESP; in transport mode its IP header is without."""
    room = path_mtu - IP_HEADER - (UDP_HEADER if sa.udp else 0)
    room -= ESP_HEADER + sa.transform.iv_octets + sa.transform.icv_octets
    room -= room % sa.transform.alignment_octets
    return max(0, room - ESP_TRAILER + (IP_HEADER if sa.mode is Mode.TRANSPORT else 0))


def _sas(snapshot: Snapshot, flow: FlowState, detail: bool) -> Iterator[str]:
    for direction, sas in (("inbound", flow.inbound), ("outbound", flow.outbound)):
        for protocol in PROTOCOLS:
            for line in SAS:
                yield line.format(direction=direction, protocol=protocol)
            if protocol == "esp":
                for sa in sas:
                    yield from _sa(snapshot, sa, flow.crypto_map, detail)


def _sa(snapshot: Snapshot, sa: IpsecSa, crypto_map: str, detail: bool) -> Iterator[str]:
    kilobytes = remaining_kb(snapshot, sa)
    replay = "N" if sa.replay_window == 0 else "Y"
    if sa.replay_window and (detail or sa.replay_window != DEFAULT_WINDOW):
        replay = WINDOW.format(window=sa.replay_window)
    lifetime = SA_LIFETIME if kilobytes is not None else SA_NO_VOLUME
    for line in (*SA_12, *lifetime, *SA_END_12) if snapshot.like_12_4 else (*SA, *lifetime, *SA_END):
        yield line.format(
            spi=crypto_names.spi(sa.key.spi),
            transform=crypto_names.transform(sa.transform),
            mode=sa.mode.value,
            udp=" UDP-Encaps" if sa.udp else "",
            connection=sa.connection_id,
            flags=FLAG_SA | (FLAG_TUNNEL_MODE if sa.mode is Mode.TUNNEL else 0),
            crypto_map=crypto_map,
            kilobytes=kilobytes,
            seconds=remaining_s(snapshot, sa),
            iv=sa.transform.iv_octets,
            replay=replay,
        )
