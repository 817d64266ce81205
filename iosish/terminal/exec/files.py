"""The files of the router: `dir`, `more`, `delete`, `rename`, `mkdir`, `rmdir`, `pwd`, `show flash:`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from iosish.files import Entry, FileName, NameFault, parse
from iosish.files.name import FLASH, NVRAM, SYSTEM
from iosish.terminal.exec.configuration import NVRAM_BYTES, write_erase
from iosish.terminal.exec.questions import ask, confirm
from iosish.terminal.session import Session

#: So much of a file that is no text is shown, 16 octets a line.
DUMPED_BYTES = 65536


async def dir_(session: Session, folder: str = "flash:", all_filesystems: bool = False) -> None:
    """`dir [flash:[FOLDER] | nvram: | system: | all-filesystems]`."""
    if all_filesystems:
        parts = [await _listing(session, FileName(system, "")) for system in (FLASH, NVRAM, SYSTEM)]
        await session.page("\n".join(parts))
        return
    try:
        name = parse(folder, session.folder)
        await session.page(await _listing(session, name))
    except OSError as error:
        session.refuse(f"%Error opening {_spelt(error, folder)} ({error.strerror})\n")


async def _listing(session: Session, name: FileName) -> str:
    host = session.host
    if name.system == FLASH:
        rows = _rows(await asyncio.to_thread(host.files.entries, name))
        total, free = await asyncio.to_thread(host.files.space)
        room = f"{total} bytes total ({free} bytes free)"
    elif name.system == NVRAM:
        text = host.startup_config()
        used = 0 if text is None else len(text.encode())
        rows = [] if text is None else [f"{1:5}  -rw-{used:12}  {'<no date>':>27}  startup-config"]
        room = f"{max(NVRAM_BYTES, used)} bytes total ({max(NVRAM_BYTES, used) - used} bytes free)"
    elif name.system == SYSTEM:
        used = len(host.running_config().encode())
        rows = [f"{1:5}  -rw-{used:12}  {'<no date>':>27}  running-config"]
        room = "No space information available"
    else:
        raise NameFault(str(name), "only flash:, nvram: and system: are listed")
    where = f"{name.system}:/{name.path}"
    body = "".join(f"{row}\n" for row in rows) or "No files in directory\n"
    return f"Directory of {where}\n\n{body}\n{room}\n"


def _rows(entries: list[Entry]) -> list[str]:
    return [
        f"{number:5}  {'drw-' if entry.is_folder else '-rw-'}{entry.size * (not entry.is_folder):12}"
        f"  {_date(entry.changed_at):>27}  {entry.name}"
        for number, entry in enumerate(entries, 1)
    ]


def _date(at: float) -> str:
    when = datetime.fromtimestamp(at, UTC)
    return f"{when:%b} {when.day} {when:%Y %H:%M:%S} +00:00"


async def show_flash(session: Session) -> None:
    """`show flash:`."""
    files = session.host.files
    entries = await asyncio.to_thread(files.entries, FileName(FLASH, ""))
    _, free = await asyncio.to_thread(files.space)
    rows = [
        f"{number:<4}{entry.size * (not entry.is_folder):10} {_date(entry.changed_at)} {entry.name}\n"
        for number, entry in enumerate(entries, 1)
    ]
    used = sum(entry.size for entry in entries)
    heading = "-#- --length-- -----date/time------ path\n"
    await session.page(f"{heading}{''.join(rows)}\n{free} bytes available ({used} bytes used)\n")


async def pwd(session: Session) -> None:
    session.write("flash:/\n")


async def more(session: Session, file: str) -> None:
    """`more FILE`: text as it is, anything else in hexadecimal."""
    try:
        name = parse(file, session.folder)
        if name == FileName(NVRAM, "startup-config"):
            text = session.host.startup_config()
            if text is None:
                raise NameFault(str(name), "No such file or directory")
        elif name == FileName(SYSTEM, "running-config"):
            text = session.host.running_config()
        else:
            data = await asyncio.to_thread(session.host.files.read, name)
            text = "".join(_dump(data)) if _is_binary(data) else data.decode("utf-8", "replace")
    except OSError as error:
        session.refuse(f"%Error opening {_spelt(error, file)} ({error.strerror})\n")
        return
    await session.page(text)


def _is_binary(data: bytes) -> bool:
    return any(octet < 32 and octet not in b"\t\n\r\f\b\x03\x1b" for octet in data[:4096])


def _dump(data: bytes) -> Iterator[str]:
    for start in range(0, min(len(data), DUMPED_BYTES), 16):
        row = data[start : start + 16]
        words = " ".join(row[at : at + 4].hex().upper() for at in range(0, len(row), 4))
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        yield f"{start:08X}: {words:<35}  {text}\n"
    if len(data) > DUMPED_BYTES:
        yield f"... {len(data) - DUMPED_BYTES} more bytes\n"


async def delete_unasked(session: Session, file: str) -> None:
    """`delete /force FILE`."""
    await delete(session, file, asks=False)


async def delete(session: Session, file: str, asks: bool = True) -> None:
    try:
        name = parse(file, session.folder)
        if name == FileName(NVRAM, "startup-config"):
            await write_erase(session)
            return
        if asks:
            name = await _asked(session, "Delete filename", name)
            if not await confirm(session, f"Delete {name}?"):
                return
    except NameFault as fault:
        session.refuse(f"%Error deleting {fault.name} ({fault.strerror})\n")
        return
    await _change(session, "deleting", name, session.host.files.delete, name)


async def rename(session: Session, old: str, new: str) -> None:
    try:
        source = parse(old, session.folder)
        target = await _asked(session, "Destination filename", parse(new, session.folder))
    except NameFault as fault:
        session.refuse(f"%Error renaming {fault.name} ({fault.strerror})\n")
        return
    await _change(session, "renaming", source, session.host.files.rename, source, target)


async def mkdir(session: Session, folder: str) -> None:
    try:
        name = await _asked(session, "Create directory filename", parse(folder, session.folder))
    except NameFault as fault:
        session.refuse(f"%Error Creating dir {fault.name} ({fault.strerror})\n")
        return
    if await _change(session, "Creating dir", name, session.host.files.make_folder, name):
        session.write(f"Created dir {name}\n")


async def rmdir(session: Session, folder: str) -> None:
    try:
        name = await _asked(session, "Remove directory filename", parse(folder, session.folder))
    except NameFault as fault:
        session.refuse(f"%Error Removing dir {fault.name} ({fault.strerror})\n")
        return
    if not await confirm(session, f"Delete {name}?"):
        return
    if await _change(session, "Removing dir", name, session.host.files.remove_folder, name):
        session.write(f"Removed dir {name}\n")


async def _asked(session: Session, question: str, name: FileName) -> FileName:
    answer = await ask(session, f"{question} [{name.path}]? ", name.path or None)
    return name if answer == name.path else parse(answer, session.folder)


async def _change(session: Session, doing: str, name: FileName, change: Callable[..., None], *arguments: Any) -> bool:
    """Do it, and whether it was done."""
    try:
        await asyncio.to_thread(change, *arguments)
    except OSError as error:
        session.refuse(f"%Error {doing} {name} ({error.strerror})\n")
        return False
    return True


def _spelt(error: OSError, typed: str) -> str:
    """The file as messages name it: a name that made sense in full."""
    try:
        return error.name if isinstance(error, NameFault) else str(parse(typed, "/"))
    except NameFault:
        return typed
