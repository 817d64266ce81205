"""The configuration as a whole: shown, saved, copied, erased, started from."""

from __future__ import annotations

from iosish.terminal.session import Session

BUILDING = "Building configuration...\n"
NO_STARTUP_CONFIG = "startup-config is not present\n"
#: What `show startup-config` says the NVRAM holds.
NVRAM_BYTES = 262136
_RUNNING, _STARTUP = "running-config", "startup-config"


async def running_config(session: Session, interface: str | None = None) -> None:
    """`show running-config [interface X]`."""
    text = session.host.running_config()
    if interface is not None:
        section = _section(text, f"interface {interface}")
        if section is None:
            session.refuse("                               ^\n% Invalid input detected at '^' marker.\n\n")
            return
        text = f"!\n{section}end\n\n"
    elif not text.startswith("!"):
        text = "!\n" + text
    await session.page(f"{BUILDING}\nCurrent configuration : {len(text.encode())} bytes\n{text}")


def _section(text: str, head: str) -> str | None:
    """A line of the configuration with the indented ones below it."""
    lines = text.split("\n")
    if head not in lines:
        return None
    start = lines.index(head)
    end = start + 1
    while end < len(lines) and lines[end].startswith(" "):
        end += 1
    return "".join(f"{line}\n" for line in lines[start:end])


async def write_terminal(session: Session) -> None:
    await running_config(session)


async def startup_config(session: Session) -> None:
    """`show startup-config`."""
    text = session.host.startup_config()
    if text is None:
        session.write(NO_STARTUP_CONFIG)
        return
    await session.page(f"Using {len(text.encode())} out of {NVRAM_BYTES} bytes\n{text}")


async def write_memory(session: Session) -> None:
    """`write memory`, `write`."""
    session.write(BUILDING)
    try:
        session.host.save()
    except OSError as error:
        session.refuse(f"%Error writing nvram:startup-config ({error.strerror or error})\n")
        return
    session.write("[OK]\n")


async def write_erase(session: Session) -> None:
    """`write erase`, `erase startup-config`."""
    if not await session.confirm("Erasing the nvram filesystem will remove all configuration files! Continue?"):
        return
    try:
        session.host.erase()
    except OSError as error:
        session.refuse(f"%Error erasing nvram: ({error.strerror or error})\n")
        return
    session.write("[OK]\nErase of nvram: complete\n")


async def copy(session: Session, source: str = _RUNNING, destination: str = _STARTUP) -> None:
    """`copy running-config startup-config` and back; there is no other file to copy yet."""
    pair = _configuration(source), _configuration(destination)
    if pair == (_RUNNING, _STARTUP):
        if _configuration(await session.ask(f"Destination filename [{_STARTUP}]? ", _STARTUP)) != _STARTUP:
            session.refuse("%Error opening nvram: only startup-config can be written\n")
            return
        await write_memory(session)
    elif pair == (_STARTUP, _RUNNING):
        text = session.host.startup_config()
        await session.ask(f"Destination filename [{_RUNNING}]? ", _RUNNING)
        if text is None:
            session.refuse("%% Non-volatile configuration memory invalid or not present\n")
            return
        await session.replay(text)
        session.write(f"{len(text.encode())} bytes copied\n")
    else:
        session.refuse(f"%Error copying {source} to {destination} (only running-config and startup-config can be)\n")


def _configuration(name: str) -> str:
    """The configuration that a name or the beginning of one means; other names stay."""
    word = name.lower().removeprefix("system:").removeprefix("nvram:")
    for known in (_RUNNING, _STARTUP):
        if len(word) >= 3 and known.startswith(word):
            return known
    return name


async def copy_startup(session: Session) -> None:
    """`copy startup-config running-config`."""
    await copy(session, _STARTUP, _RUNNING)


async def reload(session: Session) -> None:
    """`reload`: starts again from the startup-config."""
    host = session.host
    if host.modified and session.interactive:
        answer = ""
        while not ("yes".startswith(answer) or "no".startswith(answer)) or not answer:
            answer = (await session.ask("System configuration has been modified. Save? [yes/no]: ")).lower()
        if "yes".startswith(answer):
            await write_memory(session)
    if await session.confirm("Proceed with reload?"):
        session.ended = True
        host.reload()
