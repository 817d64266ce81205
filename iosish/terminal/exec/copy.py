"""`copy`: among the running-config, the startup-config, `flash:` and plain paths, in IOS's dialogue."""

from __future__ import annotations

import asyncio
import time

from iosish.cli.load import Line, decode
from iosish.files import FileName, NameFault, parse
from iosish.files.name import FLASH, NVRAM, PATH, SYSTEM
from iosish.terminal.exec.configuration import NO_NVRAM, write_memory
from iosish.terminal.exec.questions import ask, confirm
from iosish.terminal.session import Session

_ONLY = {NVRAM: "startup-config", SYSTEM: "running-config"}
#: So many refused lines of a file are told.
_TOLD_LINES = 200


async def copy(session: Session, source: str, destination: str) -> None:
    """Copy one of them onto another. Onto the running-config, line by line, as if they were typed."""
    try:
        origin = await _origin(session, parse(source, session.folder))
        target = await _target(session, parse(destination, session.folder), origin)
        if origin == target:
            session.refuse(f"%Error: {origin} cannot be copied onto itself\n")
        elif origin.system == SYSTEM and target.system == NVRAM:
            await write_memory(session)
        else:
            await _copy(session, origin, target)
    except NameFault as fault:
        session.refuse(f"%Error opening {fault.name} ({fault.strerror})\n")


async def _origin(session: Session, name: FileName) -> FileName:
    """The file to copy; one is asked for where only its file system was named."""
    if name.path:
        return name
    if name.system in _ONLY:
        return FileName(
            name.system, await ask(session, f"Source filename [{_ONLY[name.system]}]? ", _ONLY[name.system])
        )
    answer = await ask(session, "Source filename []? ", None)
    return parse(answer if ":" in answer else f"{name.system}:{answer}", session.folder)


async def _target(session: Session, name: FileName, origin: FileName) -> FileName:
    """Where to, as the dialogue has it."""
    if name.system in _ONLY:
        only = _ONLY[name.system]
        answer = await ask(session, f"Destination filename [{only}]? ", only)
        if answer.lower().removeprefix(f"{name.system}:").lstrip("/") != only:
            raise NameFault(answer, f"only {only} is there")
        return FileName(name.system, only)
    if not name.path or (name.system == PATH and await _is_folder(session, name)):
        name = name.below(_default_leaf(session, origin))
    answer = await ask(session, f"Destination filename [{name.path}]? ", name.path)
    if answer == name.path:
        return name
    return parse(answer if name.system == PATH or ":" in answer else f"{name.system}:{answer}", session.folder)


def _default_leaf(session: Session, origin: FileName) -> str:
    return f"{session.host.config.hostname.lower()}-confg" if origin.system == SYSTEM else origin.leaf


async def _is_folder(session: Session, name: FileName) -> bool:
    try:
        await asyncio.to_thread(session.host.files.size, name)
    except NameFault as fault:
        return fault.strerror == "Is a directory"
    return False


async def _copy(session: Session, origin: FileName, target: FileName) -> None:
    files = session.host.files
    if target.system in (FLASH, PATH) and not await _may_overwrite(session, target):
        return
    began = time.monotonic()
    data = await _read(session, origin)
    if data is None:
        return
    try:
        if target.system == SYSTEM:
            await _merge(session, decode(data), origin)
        elif target.system == NVRAM:
            await session.host.save(data)
            session.write("[OK]\n")
        else:
            if origin.system in (FLASH, PATH):
                session.write("Copy in progress...C\n")
            await asyncio.to_thread(files.write, target, data)
    except (OSError, ValueError) as error:
        session.refuse(f"%Error writing {target} ({_why(error)})\n")
        return
    took_s = max(time.monotonic() - began, 0.001)
    session.write(f"{len(data)} bytes copied in {took_s:.3f} secs ({int(len(data) / took_s)} bytes/sec)\n")


async def _may_overwrite(session: Session, target: FileName) -> bool:
    try:
        if await asyncio.to_thread(session.host.files.size, target) is None:
            return True
    except OSError as error:
        session.refuse(f"%Error opening {target} ({_why(error)})\n")
        return False
    warning = "%Warning:There is a file already existing with this name \n"
    return await confirm(session, "Do you want to over write?", warning)


async def _read(session: Session, origin: FileName) -> bytes | None:
    """What is to be copied; None when it cannot be had, which has been said."""
    host = session.host
    if origin.system == SYSTEM:
        return host.running_config().encode()
    try:
        if origin.system == NVRAM:
            text = host.startup_config()
            if text is None:
                session.refuse(NO_NVRAM)
                return None
            return text.encode()
        return await asyncio.to_thread(host.files.read, origin)
    except OSError as error:
        session.refuse(f"%Error opening {origin} ({_why(error)})\n")
        return None


async def _merge(session: Session, text: str, origin: FileName) -> None:
    refused = await session.merge(text)
    session.host.configured(str(origin), session.who)
    for line in refused[:_TOLD_LINES]:
        session.refuse(_told(line))
    if len(refused) > _TOLD_LINES:
        session.refuse(f"% {len(refused) - _TOLD_LINES} more lines were refused\n")


def _told(line: Line) -> str:
    """A refused line with its number, the caret below what was wrong, and IOS's words."""
    number = f"{line.number}: "
    if line.column is None or not line.reason.startswith("% Invalid"):
        return f"{number}{line.text}\n{line.reason}\n"
    return f"{number}{line.text}\n{' ' * (len(number) + min(line.column, len(line.text)))}^\n{line.reason}\n"


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
