"""What there is of a lab, so that before and after can be compared: nothing may be left behind by who was killed."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pyroute2.nftables.main import NFTables

from iosish.lab import namespaces
from iosish.lab.places import namespace
from tests.live.lab import ROUTERS, Lab

#: Lines with how often each is there.
Census = Counter[str]

#: One call a namespace: devices, addresses, routes and rules, each as a line that is the same after a restart.
_KERNEL = "ip -o link; ip -o -4 addr; ip -o -4 route show table all; ip -o -4 rule"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def census(lab: Lab) -> Census:
    """All of a lab that is outside of its routers' memory, and what of the machine's own a lab might touch."""
    found: Census = Counter()
    found[f"the machine's own ip_forward is {_FORWARDING.read_text().strip()}"] += 1
    for path in namespaces.NETNS.glob(f"iosish-{lab.name}-*"):
        found[f"namespace {path.name}"] += 1
    for path in lab.state.rglob("*"):
        found[f"file {path.relative_to(lab.state)}"] += 1
    found.update(_processes(lab))
    for router in ROUTERS:
        found.update(f"{router}: {line}" for line in _kernel(namespace(lab.name, router)))
    return found


def differences(before: Census, after: Census) -> list[str]:
    """In words: what came, and what has gone."""
    came, gone = after - before, before - after
    return [f"new: {line} ({count})" for line, count in came.items()] + [
        f"missing: {line} ({count})" for line, count in gone.items()
    ]


def _processes(lab: Lab) -> Iterable[str]:
    """The lab's parent, its routers and forwarders, with what they hold open; and zombies of theirs."""
    record = lab.record()
    routers = {pid: router for router, (pid, _) in record["processes"].items()}
    parents = {record["pid"]: "the parent"} | {pid: f"router {router}" for pid, router in routers.items()}
    for pid, name in parents.items():
        yield name
        yield from _open(pid, name)
        with suppress(OSError):
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                if int(child) in routers:
                    continue
                kind = f"child of {name}, {_state(child)}"
                yield kind
                yield from _open(int(child), kind)
    yield from ["process"] * len(lab.processes())


def _state(pid: str) -> str:
    with suppress(OSError, IndexError):
        return "a zombie" if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX" else "alive"
    return "gone"


def _open(pid: int, name: str) -> Iterable[str]:
    """The descriptors of a process by kind."""
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                kind = re.sub(r":\[\d+\]", "", str(path.readlink()))
                if kind != "/dev/null":  # in the place of each of the parent's (iosish/lab/child.py)
                    yield f"{name} holds {kind}"


def _kernel(name: str) -> Iterable[str]:
    path = namespaces.NETNS / name
    done = subprocess.run(
        ["nsenter", f"--net={path}", "sh", "-c", _KERNEL], capture_output=True, text=True, check=False
    )
    for line in done.stdout.splitlines():
        line = re.sub(r"^\d+: ", "", line)  # a device's number
        line = re.sub(r"@if\d+|link-netnsid \d+|altname \S+|qlen \d+|numtxqueues \d+|valid_lft.*", "", line)
        yield " ".join(line.replace("\\", " ").split())
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with namespaces.inside(descriptor), NFTables(nfgen_family=2) as tables:
                for table in tables.get_tables():
                    yield f"nftables table {table.get_attr('NFTA_TABLE_NAME')}"
        finally:
            os.close(descriptor)
