"""`show hosts`: the names that the router itself knows (`ip host`)."""

from __future__ import annotations

from iosish.show.text import page
from iosish.snapshot import Snapshot

HEADING = (
    "Default domain is {domain}",
    "Name/address lookup uses static mappings",
    "",
    "Codes: UN - unknown, EX - expired, OK - OK, ?? - revalidate",
    "       temp - temporary, perm - permanent",
    "       NA - Not Applicable None - Not defined",
    "",
    "Host                      Port  Flags      Age Type   Address(es)",
)
ROW = "{name:<25} None  (perm, OK)  0   IP    {address}"


def hosts(snapshot: Snapshot) -> str:
    domain = snapshot.config.domain_name or "not set"
    lines = [line.format(domain=domain) if "{" in line else line for line in HEADING]
    lines += [ROW.format(name=name, address=address) for name, address in sorted(snapshot.config.hosts.items())]
    return page(lines)
