"""What making namespaces and tunnels takes; a plain user gets it in a user namespace, where the kernel allows one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from iosish.lab import namespaces
from iosish.lab.places import Trouble

CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN = 12, 13, 21
TUN = Path("/dev/net/tun")

_HOW = "run it as root, or start the container with --privileged"


def effective() -> int:
    """The effective capabilities as a bit mask."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def has(*capabilities: int) -> bool:
    mask = effective()
    return all(mask >> capability & 1 for capability in capabilities)


def check_tunnels() -> None:
    """Raises Trouble when no TAP device can be made here."""
    if not TUN.exists():
        raise Trouble(f"there is no {TUN}: `modprobe tun`; for a container add --device {TUN}, or --privileged")
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise Trouble(f"{TUN} cannot be opened ({error.strerror}): {_HOW}, or `chmod 666 {TUN}`") from None


def check_router() -> None:
    """What one router on this host needs. Raises Trouble."""
    if not has(CAP_NET_ADMIN, CAP_NET_RAW):
        raise Trouble(f"a router needs CAP_NET_ADMIN and CAP_NET_RAW: {_HOW} (or add both capabilities)")
    check_tunnels()


def check_lab() -> bool:
    """What a lab needs. False when it takes a user namespace of its own. Raises Trouble."""
    direct = has(CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN)
    if not direct and not _user_namespace_works():
        raise Trouble(f"a lab needs CAP_SYS_ADMIN and CAP_NET_ADMIN, and the kernel allows no user namespaces: {_HOW}")
    check_tunnels()
    return direct


def _user_namespace_works() -> bool:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            enter_user_namespace()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def enter_user_namespace() -> None:
    """Become root in user, mount and network namespaces of our own, with a /run/netns of our own.

    For a process with one thread. Raises OSError.
    """
    user, group = os.geteuid(), os.getegid()
    namespaces.unshare(namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS | namespaces.CLONE_NEWNET)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    namespaces.mount("", "/", "none", namespaces.MS_SLAVE | namespaces.MS_REC)
    if namespaces.NETNS.is_dir():
        namespaces.mount("iosish", str(namespaces.NETNS), "tmpfs", options="mode=0755")
        return
    _cover_run()


def _cover_run() -> None:
    """A /run of our own, since only root can make /run/netns; the user's own folder in it stays."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    kept = -1
    if runtime.startswith("/run/") and Path(runtime).is_dir():
        kept = os.open(runtime, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    namespaces.mount("iosish", "/run", "tmpfs", options="mode=0755")
    namespaces.NETNS.mkdir(mode=0o755)
    if kept >= 0:
        Path(runtime).mkdir(parents=True)
        namespaces.mount(f"/proc/self/fd/{kept}", runtime, "none", namespaces.MS_BIND)
        os.close(kept)


def join(pid: int) -> None:
    """Enter the user and mount namespaces of a lab's parent, where they are not ours. Raises OSError."""
    if _same(pid, "user"):
        return
    kinds = (("user", namespaces.CLONE_NEWUSER), ("mnt", namespaces.CLONE_NEWNS))
    opened = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), flag) for name, flag in kinds]
    for descriptor, flag in opened:
        namespaces.setns(descriptor, flag)
        os.close(descriptor)


def _same(pid: int, kind: str) -> bool:
    return Path(f"/proc/{pid}/ns/{kind}").stat().st_ino == Path(f"/proc/self/ns/{kind}").stat().st_ino
