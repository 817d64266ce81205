"""`show interfaces` and `show interfaces description`.

Counters are what the data plane counted since `clear counters`. What this router has no such thing
of (runts, collisions) is printed as zero, since it did not happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from iosish.show.arp import dotted
from iosish.show.line_state import Line, lines, mtu, source_interface, transport_mtu
from iosish.show.text import page, short
from iosish.show.times import since
from iosish.snapshot import Snapshot

HEADING = "{name} is {status}, line protocol is {protocol} "
HARDWARE = "  Hardware is {hardware}"
HARDWARE_ADDRESS = "  Hardware is {hardware}, address is {mac} (bia {mac})"
NO_DEVICE = "  Line is down - {reason}"
DESCRIPTION = "  Description: {description}"
ADDRESS = "  Internet address is {address}"
BANDWIDTH = (
    "  MTU {mtu} bytes, BW {bandwidth} Kbit/sec, DLY {delay} usec, ",
    "     reliability 255/255, txload {txload}/255, rxload {rxload}/255",
)
ENCAPSULATION = "  Encapsulation {encapsulation}, loopback not set"
VLAN = "  Encapsulation 802.1Q Virtual LAN, Vlan ID  {vlan}., loopback not set"
KEEPALIVE = "  Keepalive not set"
DUPLEX = "  Full-duplex, {speed}, media type is virtual"
ARP_TYPE = "  ARP type: ARPA, ARP Timeout 04:00:00"

TUNNEL_LINE_UP = "  Tunnel linestate evaluation up"
TUNNEL_LINE_DOWN = "  Tunnel linestate evaluation down - {reason}"
TUNNEL_SOURCE = "  Tunnel source {source}"
TUNNEL_TRACKING = (
    "   Tunnel Subblocks:",
    "      src-track:",
    "         {tunnel} source tracking subblock associated with {port}",
    "          Set of tunnels with source {port}, {count} (includes iterators), on interface <OK>",
)
TUNNEL = (
    "  Tunnel protocol/transport {transport}",
    "    {key}, sequencing disabled",
    "    Checksumming of packets disabled",
    "  Tunnel TTL {ttl}, Fast tunneling enabled",
)
TUNNEL_TOS = "  Tunnel TOS/Traffic Class 0x{tos:X}"
TUNNEL_PATH_MTU = "  Path MTU Discovery, ager 10 mins, min MTU 92"
TUNNEL_BANDWIDTH = (
    "  Tunnel transport MTU {transport_mtu} bytes",
    "  Tunnel transmit bandwidth 8000 (kbps)",
    "  Tunnel receive bandwidth 8000 (kbps)",
)
TUNNEL_PROTECTION = '  Tunnel protection via IPSec (profile "{profile}")'

ACTIVITY = (
    "  Last input {last_in}, output {last_out}, output hang never",
    '  Last clearing of "show interface" counters {cleared}',
    "  Input queue: 0/{queue}/{drops_in}/0 (size/max/drops/flushes); Total output drops: {drops_out}",
    "  Queueing strategy: fifo",
    "  Output queue: 0/{output_queue} (size/max)",
    "  5 minute input rate {bits_in} bits/sec, {rate_in} packets/sec",
    "  5 minute output rate {bits_out} bits/sec, {rate_out} packets/sec",
    "     {packets_in} packets input, {bytes_in} bytes, 0 no buffer",
    "     Received {multicast_in} broadcasts ({multicast_in} IP multicasts)",
    "     0 runts, 0 giants, 0 throttles ",
)
INPUT_ERRORS = "     {errors_in} input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored"
ABORT = ", 0 abort"
WATCHDOG = "     0 watchdog, {multicast_in} multicast, 0 pause input"
OUTPUT = (
    "     {packets_out} packets output, {bytes_out} bytes, 0 underruns",
    "     {errors_out} output errors, 0 collisions, 0 interface resets",
    "     0 unknown protocol drops",
)
ETHERNET_END = ("     0 babbles, 0 late collision, 0 deferred", "     0 lost carrier, 0 no carrier, 0 pause output")
END = "     0 output buffer failures, 0 output buffers swapped out"

DESCRIPTION_COLUMNS = "Interface                      Status         Protocol Description"
DESCRIPTION_ROW = "{name:<30} {status:<14} {protocol:<8} {description}"

#: kind -> (bandwidth in kbit/s, delay in microseconds), before a line of the configuration says otherwise.
SPEED = {
    "Tunnel": (100, 50000),
    "Loopback": (8000000, 5000),
    "Ethernet": (10000, 1000),
    "FastEthernet": (100000, 100),
    "GigabitEthernet": (1000000, 10),
    "TwoGigabitEthernet": (2500000, 10),
    "TenGigabitEthernet": (10000000, 10),
    "TwentyFiveGigE": (25000000, 10),
    "FortyGigabitEthernet": (40000000, 10),
    "HundredGigE": (100000000, 10),
    "Serial": (1544, 20000),
}
OTHER_SPEED = (100000, 100)
HARDWARE_NAME = {"Tunnel": "Tunnel", "Loopback": "Loopback"}
HARDWARE_OTHER = "Linux network device"
ENCAPSULATION_NAME = {"Tunnel": "TUNNEL", "Loopback": "LOOPBACK"}
VIRTUAL_QUEUES = (75, 0)
PORT_QUEUES = (75, 40)


def interfaces(snapshot: Snapshot, interface: str | None = None) -> str:
    """`show interfaces [X]`; nothing for a name that is not configured."""
    return page(text for line in lines(snapshot, interface) for text in _interface(snapshot, line))


def description(snapshot: Snapshot, interface: str | None = None) -> str:
    """`show interfaces [X] description`."""
    rows = [
        DESCRIPTION_ROW.format(
            name=short(line.name),
            status="admin down" if not line.state.admin_up else line.status,
            protocol=line.protocol,
            description=line.config.description or "",
        ).rstrip()
        for line in lines(snapshot, interface)
    ]
    return page([DESCRIPTION_COLUMNS, *rows])


def _interface(snapshot: Snapshot, line: Line) -> Iterator[str]:
    yield HEADING.format(name=line.name, status=line.status, protocol=line.protocol)
    yield from _hardware(line)
    if line.config.description is not None:
        yield DESCRIPTION.format(description=line.config.description)
    if line.config.ip_address is not None:
        yield ADDRESS.format(address=line.config.ip_address.interface)
    bandwidth, delay = speed(line)
    bits_in, rate_in, bits_out, rate_out = line.state.rates
    for text in BANDWIDTH:
        yield text.format(
            mtu=mtu(line),
            bandwidth=bandwidth,
            delay=delay,
            txload=_load(bits_out, bandwidth),
            rxload=_load(bits_in, bandwidth),
        )
    yield from _encapsulation(line)
    if line.is_tunnel:
        yield from _tunnel(snapshot, line)
    counters = line.state.counters
    virtual = line.is_tunnel or line.is_loopback
    queue, output_queue = VIRTUAL_QUEUES if virtual else PORT_QUEUES
    values: dict[str, object] = {
        "last_in": since(snapshot.now, counters.last_in),
        "last_out": since(snapshot.now, counters.last_out),
        "cleared": since(snapshot.now, line.state.cleared_at),
        "queue": queue,
        "output_queue": output_queue,
        "bits_in": bits_in,
        "rate_in": rate_in,
        "bits_out": bits_out,
        "rate_out": rate_out,
        "packets_in": counters.packets_in,
        "bytes_in": counters.bytes_in,
        "multicast_in": counters.multicast_in,
        "drops_in": counters.drops_in,
        "errors_in": counters.errors_in,
        "packets_out": counters.packets_out,
        "bytes_out": counters.bytes_out,
        "drops_out": counters.drops_out,
        "errors_out": counters.errors_out,
    }
    for text in ACTIVITY:
        yield text.format(**values)
    yield INPUT_ERRORS.format(**values) + (ABORT if virtual else "")
    if not virtual:
        yield WATCHDOG.format(**values)
    for text in OUTPUT:
        yield text.format(**values)
    if not virtual:
        yield from ETHERNET_END
    yield END


def speed(line: Line) -> tuple[int, int]:
    """Bandwidth in kbit/s and delay in microseconds: as configured, as the device has it, as the kind has it."""
    bandwidth, delay = SPEED.get(line.kind, OTHER_SPEED)
    if line.state.link is not None and line.state.link.speed_kbps:
        bandwidth = line.state.link.speed_kbps
    if line.config.bandwidth_kbps is not None:
        bandwidth = line.config.bandwidth_kbps
    if line.config.delay_tens_us is not None:
        delay = 10 * line.config.delay_tens_us
    return bandwidth, delay


def _load(bits: int, bandwidth_kbps: int) -> int:
    return min(255, max(1, bits * 255 // max(1, bandwidth_kbps * 1000)))


def _hardware(line: Line) -> Iterator[str]:
    hardware = HARDWARE_NAME.get(line.kind, HARDWARE_OTHER)
    link = line.state.link
    if not (line.is_tunnel or line.is_loopback) and link is not None and link.mac:
        yield HARDWARE_ADDRESS.format(hardware=hardware, mac=dotted(link.mac))
    else:
        yield HARDWARE.format(hardware=hardware)
    reason = line.state.reason or (link.reason if link is not None else None)
    if not line.is_tunnel and line.state.admin_up and not line.state.line_up and reason:
        yield NO_DEVICE.format(reason=reason)


def _encapsulation(line: Line) -> Iterator[str]:
    vlan = _vlan(line)
    if vlan is not None:
        yield VLAN.format(vlan=vlan)
    else:
        yield ENCAPSULATION.format(encapsulation=ENCAPSULATION_NAME.get(line.kind, "ARPA"))
    yield KEEPALIVE
    if not (line.is_tunnel or line.is_loopback):
        yield DUPLEX.format(speed=_megabits(speed(line)[0]))
        yield ARP_TYPE


def _vlan(line: Line) -> str | None:
    if "." not in line.name:
        return None
    for kept in line.config.kept.values():
        match kept.text.lower().split():
            case ["encapsulation", "dot1q", vlan, *_]:
                return vlan
    return None


def _megabits(kbps: int) -> str:
    return f"{max(1, kbps // 1000)}Mb/s"


def _tunnel(snapshot: Snapshot, line: Line) -> Iterator[str]:
    tunnel = line.config.tunnel
    if line.protocol == "up":
        yield TUNNEL_LINE_UP
    else:
        shut = "administratively down" if not line.state.admin_up else "not evaluated"
        yield TUNNEL_LINE_DOWN.format(reason=line.state.reason or shut)
    named = None if tunnel.source is None or isinstance(tunnel.source, IPv4Address) else tunnel.source
    source = TUNNEL_SOURCE.format(source=line.state.source or "UNKNOWN")
    if named is None and isinstance(tunnel.source, IPv4Address):
        source = TUNNEL_SOURCE.format(source=tunnel.source)
    if named is not None:
        source += f" ({named})"
    if tunnel.destination is not None:
        source += f", destination {tunnel.destination}"
    yield source
    if named is not None and source_interface(snapshot, line) is not None:
        count = sum(other.tunnel.source == named for other in snapshot.config.interfaces.values())
        for text in TUNNEL_TRACKING:
            yield text.format(tunnel=line.name, port=named, count="1 member" if count == 1 else f"{count} members")
    for text in TUNNEL:
        yield text.format(
            transport="multi-GRE/IP" if tunnel.mode == "gre multipoint" else "GRE/IP",
            key="Key disabled" if tunnel.key is None else f"Key 0x{tunnel.key:X}",
            ttl=tunnel.ttl,
        )
    if tunnel.tos is not None:
        yield TUNNEL_TOS.format(tos=tunnel.tos)
    if tunnel.path_mtu_discovery:
        yield TUNNEL_PATH_MTU
    for text in TUNNEL_BANDWIDTH:
        yield text.format(transport_mtu=transport_mtu(snapshot, line))
    if tunnel.protection is not None:
        yield TUNNEL_PROTECTION.format(profile=tunnel.protection.profile)
