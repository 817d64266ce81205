"""What somebody may do to a router's kernel objects behind its back, and what there is in a kernel."""

from __future__ import annotations

import json
import re
import socket
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink import NETLINK_NETFILTER, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES
from pyroute2.netlink.nfnetlink.nftsocket import NFT_MSG_DELTABLE, NFT_MSG_NEWTABLE, nft_rule_msg, nft_table_msg

from iosish.plane.user import mss_clamp
from tests.user_plane.test_live_wire import inside

_NFT_MSG_GETTABLE, _NFT_MSG_GETRULE = 1, 7
#: Settings that a router relies on.
SETTINGS = (
    "ipv4/ip_forward",
    "ipv4/conf/all/rp_filter",
    "ipv4/conf/Tunnel0/rp_filter",
    "ipv4/conf/Tunnel0/accept_local",
    "ipv4/conf/Tunnel0/send_redirects",
    "ipv4/neigh/Tunnel0/app_solicit",
    "ipv4/neigh/Tunnel0/mcast_solicit",
    "ipv6/conf/Tunnel0/disable_ipv6",
    "ipv6/conf/Lo0/disable_ipv6",
)
#: What others have in the same namespace, in the words of `ip`. `{uplink}` is the device of FastEthernet0/0.
ON_THE_UPLINK = """
route add 10.88.0.0/16 via 10.9.0.9 dev {uplink}
neigh add 10.9.0.77 lladdr 02:aa:00:00:00:01 dev {uplink}
"""
FOREIGN = (
    """
addr add 10.9.0.1/24 dev {uplink}"""
    + ON_THE_UPLINK
    + """
tuntap add foreign0 mode tap
addr add 10.90.0.1/24 dev foreign0
link set foreign0 up
rule add fwmark 0x77 lookup 77 priority 777
route add blackhole 10.91.0.0/16 table 77
"""
)


@dataclass(frozen=True)
class Space:
    """A network namespace as one sees it from outside. `uplink` is the device of FastEthernet0/0; `elsewhere` another
    namespace."""

    name: str
    uplink: str
    elsewhere: str

    def ip(self, text: str) -> str:
        """One command a line, in the words of `ip`."""
        out = ""
        for line in text.strip().splitlines():
            if not line:
                continue
            command = ["ip", "-n", self.name, *line.format(uplink=self.uplink, elsewhere=self.elsewhere).split()]
            out += subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return out

    def shell(self, text: str) -> str:
        command = ["ip", "netns", "exec", self.name, "sh", "-c", text]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def is_up(self, device: str) -> bool:
        return "UP" in json.loads(self.ip(f"-j link show {device}"))[0]["flags"]

    def pings(self, address: str) -> bool:
        command = ["ip", "netns", "exec", self.name, "ping", "-q", "-n", "-c", "1", "-W", "1", address]
        return subprocess.run(command, capture_output=True).returncode == 0

    def kernel(self) -> frozenset[str]:
        """All that a router could have made here, and what others have, a line each."""
        found: set[str] = set()
        for link in json.loads(self.ip("-j link show")):
            flags = sorted(set(link["flags"]) & {"UP", "NOARP", "LOWER_UP"})
            mac = link.get("address", "")
            found.add(f"link {link['ifname']} mtu {link['mtu']} {' '.join(flags)} {mac}")
        for link in json.loads(self.ip("-j -4 addr show")):
            found |= {f"addr {link['ifname']} {at['local']}/{at['prefixlen']}" for at in link.get("addr_info", ())}
        for line in self.ip("-4 route show table all").splitlines():
            found.add(f"route {' '.join(line.split())}")
        found |= {f"neigh {' '.join(line.split())}" for line in self.ip("-4 neigh show nud permanent").splitlines()}
        found |= {f"rule {' '.join(line.split())}" for line in self.ip("-4 rule show").splitlines()}
        values = self.shell(
            f"cd /proc/sys/net; for path in {' '.join(SETTINGS)}; do cat $path || echo none; done"
        ).split()
        found |= {f"setting {path} {value}" for path, value in zip(SETTINGS, values, strict=True)}
        for (table, chain), count in self.rules().items():
            found.add(f"nft {table} {chain}: {count} rules")
        return frozenset(found)

    # nf_tables, without its tool

    def rules(self) -> Counter[tuple[str, str]]:
        """How many rules are in each chain; a table counts as one without a chain."""
        found: Counter[tuple[str, str]] = Counter()
        for kind, shape in ((_NFT_MSG_GETTABLE, nft_table_msg), (_NFT_MSG_GETRULE, nft_rule_msg)):
            for message in self._nft_dump(kind, shape):
                if kind == _NFT_MSG_GETTABLE:
                    found[message.get_attr("NFTA_TABLE_NAME"), ""] += 1
                else:
                    found[message.get_attr("NFTA_RULE_TABLE"), message.get_attr("NFTA_RULE_CHAIN")] += 1
        return found

    def _nft_dump(self, kind: int, shape: Callable[..., Any]) -> Iterator[Any]:
        with inside(self.name, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)) as netlink:
            netlink.settimeout(5)
            head = struct.pack("=IHHII", 20, NFNL_SUBSYS_NFTABLES << 8 | kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
            netlink.send(head + struct.pack("=BBH", socket.AF_INET, 0, 0))
            while True:
                data, at = netlink.recv(1 << 16), 0
                while at < len(data):
                    length, sort = struct.unpack_from("=IH", data, at)
                    if sort == NLMSG_DONE:
                        return
                    message = shape(data[at : at + length])
                    message.decode()
                    yield message
                    at += (length + 3) & ~3

    def nft(self, table: str, *, make: bool) -> None:
        """Make or delete a table."""
        message = mss_clamp._message(
            nft_table_msg, NFT_MSG_NEWTABLE if make else NFT_MSG_DELTABLE, [("NFTA_TABLE_NAME", table)]
        )
        message["header"]["flags"] |= 4  # NLM_F_ACK
        edges = [mss_clamp._edge(kind) for kind in (mss_clamp._BATCH_BEGIN, mss_clamp._BATCH_END)]
        with inside(self.name, lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)) as netlink:
            netlink.settimeout(5)
            netlink.send(mss_clamp._encoded([edges[0], message, edges[1]]))
            assert struct.unpack_from("=16xi", netlink.recv(8192)) == (0,)


@dataclass(frozen=True)
class Drift:
    """What is done, in the words of `ip` or of a shell in the namespace; what a log line says is put back (a regular
    expression); and what stays of it, since it is not the router's (lines of `Space.kernel`)."""

    says: str
    ip: str = ""
    shell: str = ""
    nft: str = ""
    stays: tuple[str, ...] = ()
    goes: str = ""  # what of others the kernel takes along, in the words of `ip`
    lines: int = 1  # as many log lines at most: it does not happen in one moment
    guards: bool = False  # only where there is protection

    def happen(self, space: Space) -> None:
        if self.ip:
            space.ip(self.ip)
        if self.shell:
            space.shell(self.shell)
        if self.nft:
            space.nft(self.nft, make=False)


def _setting(path: str, value: int) -> Drift:
    return Drift(re.escape(f"setting {path.replace('/', '.')}"), shell=f"echo {value} >/proc/sys/net/{path}")


GUARD = "metric 4294967294"
DRIFTS = {
    "tunnel device deleted": Drift(r"Tunnel0 \(its device was gone\)", "link del Tunnel0"),
    "tunnel device down": Drift(r"Tunnel0 \(its device was down\)", "link set Tunnel0 down"),
    "tunnel device renamed": Drift(r"Tunnel0 \(its device was called stolen\)", "link set Tunnel0 name stolen"),
    "tunnel device moved away": Drift(r"Tunnel0 \(its device was gone\)", "link set Tunnel0 netns {elsewhere}"),
    "tunnel MTU": Drift("MTU 1[0-9]+ of Tunnel0", "link set Tunnel0 mtu 1000"),
    "tunnel MAC": Drift("MAC address of Tunnel0", "link set Tunnel0 address 02:01:00:00:00:99"),
    "tunnel without ARP": Drift("ARP flag of Tunnel0", "link set Tunnel0 arp off"),
    "tunnel address deleted": Drift("address 192.168.0.2/24 of Tunnel0", "addr del 192.168.0.2/24 dev Tunnel0"),
    "tunnel address changed": Drift(
        "address 192.168.0.2/24 of Tunnel0",
        "addr add 192.168.7.7/24 dev Tunnel0\naddr del 192.168.0.2/24 dev Tunnel0",
        lines=2,
    ),
    "tunnel address added": Drift("Tunnel0 without address 192.168.7.7/24", "addr add 192.168.7.7/24 dev Tunnel0"),
    "connected route": Drift("connected route to 192.168.0.0/24 of Tunnel0", "route del 192.168.0.0/24 dev Tunnel0"),
    "local route": Drift(
        "local route to 192.168.0.2 of Tunnel0", "route del local 192.168.0.2 dev Tunnel0 table local"
    ),
    "connected route replaced": Drift(
        "connected route to 192.168.0.0/24 of Tunnel0",
        "route replace 192.168.0.0/24 dev foreign0 proto static",
        stays=("route 192.168.0.0/24 dev foreign0 proto static scope link linkdown",),
    ),
    "loopback deleted": Drift(r"Loopback0 \(its device was gone\)", "link del Lo0"),
    "loopback down": Drift(r"Loopback0 \(its device was down\)", "link set Lo0 down"),
    "loopback renamed": Drift(r"Loopback0 \(its device was called stolen\)", "link set Lo0 name stolen"),
    "loopback address": Drift("address 10.2.2.2/32 of Loopback0", "addr del 10.2.2.2/32 dev Lo0"),
    "uplink down": Drift(r"FastEthernet0/0 \(its device was down\)", "link set {uplink} down", goes=ON_THE_UPLINK),
    "uplink address": Drift("address .* of FastEthernet0/0", "addr del 172.16.25.2/30 dev {uplink}"),
    "uplink connected route": Drift(
        "connected route to .* of FastEthernet0/0", "route del 172.16.25.0/30 dev {uplink}"
    ),
    "default route": Drift("route to 0.0.0.0/0", "route del default"),
    "route over the tunnel": Drift("route to 10.3.3.3/32", "route del 10.3.3.3/32 proto 73"),
    "route changed": Drift("route to 10.3.3.3/32", "route change 10.3.3.3/32 via 192.168.0.77 proto 73"),
    "route replaced": Drift(
        "route to 10.3.3.3/32",
        "route replace 10.3.3.3/32 dev foreign0 proto static",
        stays=("route 10.3.3.3 dev foreign0 proto static scope link linkdown",),
    ),
    "route to nowhere": Drift("route to 10.66.0.0/16", "route del blackhole 10.66.0.0/16"),
    "neighbor deleted": Drift("neighbor 192.168.0.1 of Tunnel0", "neigh del 192.168.0.1 dev Tunnel0"),
    "neighbor elsewhere": Drift(
        "neighbor 192.168.0.1 of Tunnel0",
        "neigh replace 192.168.0.1 lladdr 02:00:00:00:77:77 dev Tunnel0 nud permanent",
    ),
    "neighbor of another kind": Drift(
        "neighbor 192.168.0.1 of Tunnel0",
        "neigh replace 192.168.0.1 lladdr 02:bb:00:00:00:07 dev Tunnel0 nud permanent",
    ),
    "neighbor for a while": Drift("neighbor 192.168.0.1 of Tunnel0", "neigh replace 192.168.0.1 dev Tunnel0 nud stale"),
    "neighbors flushed": Drift("neighbor 192.168.0.1 of Tunnel0", shell="ip neigh flush dev Tunnel0 nud permanent"),
    "guard": Drift("guard of 192.168.0.0/24", f"route del blackhole 192.168.0.0/24 {GUARD}", guards=True),
    "all guards and routes": Drift("guard of .*route to .*|route to .*", shell="ip route flush proto 73"),
    "MSS table": Drift("TCP MSS adjustment of FastEthernet0/0", nft=mss_clamp.TABLE),
    "forwarding off": _setting("ipv4/ip_forward", 0),
    "rp_filter on": _setting("ipv4/conf/Tunnel0/rp_filter", 1),
    "rp_filter on everywhere": _setting("ipv4/conf/all/rp_filter", 1),
    "accept_local off": _setting("ipv4/conf/Tunnel0/accept_local", 0),
    "app_solicit off": _setting("ipv4/neigh/Tunnel0/app_solicit", 0),
    "mcast_solicit on": _setting("ipv4/neigh/Tunnel0/mcast_solicit", 3),
    "IPv6 on": _setting("ipv6/conf/Tunnel0/disable_ipv6", 0),
    "everything at once": Drift(
        r"Tunnel0 \(its device was gone\), Loopback0 \(its device was gone\)|.*",
        shell="ip link del Tunnel0; ip link del Lo0; ip route flush proto 73",
        lines=4,
    ),
}
