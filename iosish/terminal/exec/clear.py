"""`clear ...`."""

from __future__ import annotations

from ipaddress import IPv4Address

from iosish.terminal.session import Session


async def nhrp(session: Session, address: IPv4Address | None = None) -> None:
    """`clear ip nhrp [A.B.C.D]`."""
    session.host.clear("nhrp", address=address)


async def nhrp_counters(session: Session, interface: str | None = None) -> None:
    """`clear ip nhrp counters [interface X]`."""
    session.host.clear("nhrp counters", interface=interface)


async def dmvpn_session(
    session: Session,
    interface: str | None = None,
    nbma: IPv4Address | None = None,
    tunnel: IPv4Address | None = None,
    static: bool = False,
) -> None:
    """`clear dmvpn session [interface X] [peer nbma|tunnel A] [static]`."""
    session.host.clear("dmvpn", interface=interface, nbma=nbma, inside=tunnel, static=static)


async def crypto_sa(session: Session, peer: IPv4Address | None = None) -> None:
    """`clear crypto sa [peer A]`."""
    session.host.clear("crypto sa", peer=peer)


async def crypto_counters(session: Session) -> None:
    """`clear crypto sa counters`."""
    session.host.clear("crypto counters")


async def crypto_isakmp(session: Session, connection: int | None = None) -> None:
    """`clear crypto isakmp [CONNECTION]`."""
    session.host.clear("crypto isakmp", connection=connection)


async def crypto_session(session: Session, remote: IPv4Address | None = None) -> None:
    """`clear crypto session [remote A]`."""
    session.host.clear("crypto session", remote=remote)


async def counters(session: Session, interface: str | None = None) -> None:
    """`clear counters [X]`."""
    where = "this interface" if interface else "all interfaces"
    if await session.confirm(f'Clear "show interface" counters on {where}'):
        session.host.clear("counters", interface=interface)


async def logging(session: Session) -> None:
    """`clear logging`."""
    if await session.confirm("Clear logging buffer"):
        session.host.clear("logging")
