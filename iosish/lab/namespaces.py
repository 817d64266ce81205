"""Network namespaces under the names that `ip netns` knows.

Python has the system calls only from 3.12 on, so libc is called. All of it acts on the calling thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from iosish.lab import rtnetlink

NETNS = Path("/run/netns")

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_OWN = "/proc/thread-self/ns/net"


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Raises OSError."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int = 0) -> None:
    """Raises OSError."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Raises OSError."""
    _check(
        _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()), target
    )


def die_with_parent(signal_number: int, parent: int) -> None:
    """Have this process end with the one that forked it, also when that one is gone already."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def share_folder() -> None:
    """Make /run/netns as `ip netns add` does: mounts in it are seen in all mount namespaces."""
    NETNS.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        mount("", str(NETNS), "none", MS_SHARED | MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        mount(str(NETNS), str(NETNS), "none", MS_BIND | MS_REC)
        mount("", str(NETNS), "none", MS_SHARED | MS_REC)


@contextmanager
def fresh() -> Iterator[int]:
    """A new network namespace, entered for the time of the `with`; gives its descriptor, which stays open.

    IPv6 is off in it before a device can appear, so that none says a word of its own.
    """
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(CLONE_NEWNET)
        try:
            for name in ("all", "default"):
                with suppress(OSError):  # a kernel without IPv6 has no such file
                    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
            yield os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        os.close(home)


@contextmanager
def inside(descriptor: int) -> Iterator[None]:
    """Be in another network namespace for the time of the `with`."""
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(descriptor, CLONE_NEWNET)
        try:
            yield
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        os.close(home)


def create(name: str) -> tuple[int, int]:
    """Make a named namespace, with loopback up; gives its descriptor and its inode.

    Raises OSError (EEXIST: the name is taken).
    """
    path = NETNS / name
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    try:
        with fresh() as descriptor:
            mount(_OWN, str(path), "none", MS_BIND)
            netlink = rtnetlink.Netlink()
            netlink.request([rtnetlink.set_up("lo", True)])
            netlink.close()
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return descriptor, os.fstat(descriptor).st_ino


def inode(name: str) -> int | None:
    """What tells one namespace from another of the same name."""
    try:
        return (NETNS / name).stat().st_ino
    except OSError:
        return None


def remove(name: str) -> None:
    """Take the name away; the namespace ends with its last process. Nothing happens if it is gone."""
    path = NETNS / name
    if path.exists():
        _libc.umount2(str(path).encode(), MNT_DETACH)  # fails only where nothing is mounted: the file goes all the same
        path.unlink(missing_ok=True)


def enter(name: str) -> None:
    """Move this process into a named namespace, for good. Raises OSError."""
    descriptor = os.open(NETNS / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(descriptor, CLONE_NEWNET)
    finally:
        os.close(descriptor)


def own_sys() -> None:
    """A /sys that shows this network namespace, in a mount namespace of our own, as `ip netns exec` gives."""
    unshare(CLONE_NEWNS)
    mount("", "/", "none", MS_SLAVE | MS_REC)
    with suppress(OSError):
        _check(_libc.umount2(b"/sys", MNT_DETACH), "/sys")
    with suppress(OSError):
        mount("iosish", "/sys", "sysfs")
