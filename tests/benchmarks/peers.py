"""One TCP stream between two iosish routers of this machine, beside other user-space tunnels in the same rounds.

    python -m tests.benchmarks.peers [--rounds 5] [--bin DIR] [--no-offload] [--flood] [--row NAME]...

Needs root, openvpn, iperf3, ethtool and, for wireguard-go with its offloads, a DIR that `tests/interop/newer-peers.sh`
filled. The rounds are those of `tests/interop/peers-bench.sh`; the ratios are medians of those within a round.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ADDRESSES = {"A": "10.9.0.1", "B": "10.9.0.2"}
NBMA = {"A": "192.0.2.1", "B": "192.0.2.2"}


@dataclass(frozen=True, slots=True)
class Row:
    """A way to carry the stream. `must` and `aim` are ratios of throughput to openvpn, `beat` to wireguard-go."""

    name: str
    transform: str | None
    in_udp: bool
    must: float
    aim: float
    beat: float | None = None


ROWS = (
    Row("gre", None, False, 1.5, 1.8),
    Row("gcm-udp", "esp-gcm 128", True, 3.5, 4.5, 1.2),
    Row("gcm-raw", "esp-gcm 128", False, 1.2, 1.4),
    Row("cbc-raw", "esp-aes esp-sha-hmac", False, 1.1, 1.25),
    Row("cbc-udp", "esp-aes esp-sha-hmac", True, 2.3, 2.8),
)
NO_OFFLOAD = (Row("gcm-udp", "esp-gcm 128", True, 1.15, 1.4, 1.5),)


def config(row: Row, side: str, mtu: int) -> str:
    """The router of one end: A is the spoke, B the hub."""
    crypto = ""
    if row.transform is not None:
        crypto = f"""\
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 14
crypto isakmp key bench address {NBMA["A" if side == "B" else "B"]}
crypto ipsec transform-set Bench {row.transform}
 mode transport
crypto ipsec profile Bench
 set transform-set Bench
{" set udp-encapsulation force" if row.in_udp else "!"}
"""
    spoke = f"""\
 ip nhrp map {ADDRESSES["B"]} {NBMA["B"]}
 ip nhrp map multicast {NBMA["B"]}
 ip nhrp nhs {ADDRESSES["B"]}
 ip nhrp registration timeout 1
"""
    return f"""\
hostname Bench{side}
{crypto}interface FastEthernet0/0
 ip address {NBMA[side]} 255.255.255.0
interface Tunnel0
 ip address {ADDRESSES[side]} 255.255.255.0
 ip mtu {mtu}
 ip nhrp network-id 1
{spoke if side == "A" else " ip nhrp map multicast dynamic"}
 tunnel source FastEthernet0/0
 tunnel mode gre multipoint
{" tunnel protection ipsec profile Bench" if row.transform is not None else "!"}
end
"""


def _commands(row: Row, folder: Path, mtu: int) -> list[str]:
    commands = []
    for side in "AB":
        file = folder / f"{row.name}-{side}.cfg"
        file.write_text(config(row, side, mtu))
        commands.append(
            f"IOSISH_STATE_DIR={folder}/state exec {ROOT}/.venv/bin/iosish run {file} --name {row.name}-{side}"
            " --interface FastEthernet0/0=wan"
        )
    return commands


def bench(rows: tuple[Row, ...], peers: list[str], options: list[str], mtu: int = 1400) -> dict[str, Any]:
    """What peers-bench.sh says. Raises CalledProcessError when an end did not come up."""
    with tempfile.TemporaryDirectory(prefix="iosish-peers.") as folder:
        command = [str(ROOT / "tests/interop/peers-bench.sh"), "--mtu", str(mtu), *options]
        if peers:
            command += ["--peer", *peers]
        for row in rows:
            command += ["--sut", *_commands(row, Path(folder), mtu), "--addr", *ADDRESSES.values()]
            command += ["--sut-name", row.name]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    told: dict[str, Any] = json.loads(said.stdout)
    return told


def table(rows: tuple[Row, ...], told: Mapping[str, Any]) -> str:
    """Every tunnel with its speed, its CPU time a packet, and what it is to the peers; then the aims."""
    wanted = {row.name: row for row in rows}
    flood = "flood_kpps" in told["results"][0]
    lines = [
        f"{'':<14}{'Mbit/s':>8}{'us out':>8}{'us in':>8}{'ping -f us':>12}{'  kpps 64  us out in' if flood else ''}"
        f"{'to openvpn':>14}{'CPU':>7}{'to wireguard-go':>17}{'CPU':>7}"
    ]
    for result in told["results"]:
        name = result["name"]
        line = f"{name:<14}{result['mbps']:8.0f}{result['tx_us']:8.2f}{result['rx_us']:8.2f}"
        line += f"{result['ping_f_us'] or 0:12.0f}"
        line += f"{result['flood_kpps']:7.0f}{result['flood_tx_us']:7.1f}{result['flood_rx_us']:7.1f}" if flood else ""
        ratios = told["sut_vs_peer"].get(name, {})
        for peer, width in (("openvpn", 13), ("wireguard-go", 16)):
            if peer in ratios:
                line += f"{ratios[peer]['mbps']:{width}.2f}x{ratios[peer]['cpu']:6.2f}x"
        row = wanted.get(name)
        if row is not None:
            line += f"   must {row.must}x, aim {row.aim}x" + (f", {row.beat}x" if row.beat else "")
        lines.append(line)
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.peers", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--bin", metavar="DIR", help="where newer-peers.sh put wireguard-go")
    parser.add_argument("--no-offload", action="store_true", help="no segmentation offload on the wire")
    parser.add_argument("--flood", action="store_true", help="also a flood of UDP packets of 64 octets")
    parser.add_argument("--row", action="append", choices=[row.name for row in ROWS], help="only this one; repeatable")
    parser.add_argument("--logs", metavar="DIR", help="keep what the ends say")
    asked = parser.parse_args()
    rows: tuple[Row, ...] = NO_OFFLOAD if asked.no_offload else ROWS
    if asked.row:
        rows = tuple(row for row in rows if row.name in asked.row)
    options = ["--rounds", str(asked.rounds), "--seconds", str(asked.seconds)]
    peers = ["openvpn"]
    if asked.bin:
        options += ["--bin", asked.bin]
        peers.append("wireguard-go")
    if asked.flood:
        options.append("--flood")
    if asked.no_offload:
        options.append("--no-offload")
    if asked.logs:
        options += ["--logs", asked.logs]
    print(table(rows, bench(rows, peers, options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
