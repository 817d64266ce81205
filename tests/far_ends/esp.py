"""ESP between iosish and a Linux kernel, opened by Wireshark with the keys that the kernel has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

_CIPHERS = {
    "cbc(aes)": "AES-CBC [RFC3602]",
    "cbc(des)": "DES-CBC [RFC2405]",
    "cbc(des3_ede)": "TripleDES-CBC [RFC2451]",
}
_INTEGRITY = {
    "hmac(md5)": "HMAC-MD5-96 [RFC2403]",
    "hmac(sha1)": "HMAC-SHA-1-96 [RFC2404]",
    "hmac(sha256)": "HMAC-SHA-256-128 [RFC4868]",
}
_SA = re.compile(
    r"^src (\S+) dst (\S+)\n\s+proto esp spi (0x\w+) .*?auth-trunc (\S+) (0x\w+) .*?enc (\S+) (0x\w+)", re.M | re.S
)
_FIELDS = ("esp.spi", "ip.src", "esp.icv_good", "ip.checksum.status", "icmp.checksum.status", "_ws.malformed")
GOOD = "1"


class Opened(NamedTuple):
    """One packet; of what it may hold several times the outermost is first. `sums` are of every IP and ICMP in it."""

    sources: list[str]
    icv: str
    sums: list[str]
    malformed: str


def open_capture(capture: Path, states: str) -> list[Opened]:
    """The ESP packets of a capture that go by the SAs which `ip xfrm state` listed."""
    options = ["esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE", "ip.check_checksum:TRUE"]
    known = set()
    for source, destination, spi, auth, auth_key, cipher, key in _SA.findall(states):
        row = ("IPv4", source, destination, spi, _CIPHERS[cipher], key, _INTEGRITY[auth], auth_key)
        options.append("uat:esp_sa:" + ",".join(f'"{field}"' for field in row))
        known.add(int(spi, 16))
    command = ["tshark", "-n", "-r", str(capture), "-Y", "esp", "-T", "fields", "-E", "separator=;"]
    command += [part for option in options for part in ("-o", option)]
    command += [part for field in _FIELDS for part in ("-e", field)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line.split(";") for line in done.stdout.splitlines()]
    return [
        Opened(sources.split(","), icv, [*ip_sums.split(","), *filter(None, icmp_sums.split(","))], malformed)
        for spi, sources, icv, ip_sums, icmp_sums, malformed in rows
        if int(spi, 16) in known
    ]
