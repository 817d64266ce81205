"""The configuration as a whole: shown, saved, erased."""

from __future__ import annotations

from iosish.terminal.session import Session

BUILDING = "Building configuration...\n"
NO_STARTUP_CONFIG = "startup-config is not present\n"
NO_NVRAM = "%% Non-volatile configuration memory invalid or not present\n"
#: What `show startup-config` says the NVRAM holds.
NVRAM_BYTES = 262136


async def running_config(session: Session, interface: str | None = None) -> None:
    """`show running-config [interface X]`."""
    text = session.host.running_config()
    if interface is not None:
        section = _section(text, f"interface {interface}")
        if section is None:
            session.refuse_interface()
            return
        text = f"!\n{section}end\n"
    elif not text.startswith("!"):
        text = "!\n" + text
    await session.page(f"{BUILDING}\nCurrent configuration : {len(text.encode())} bytes\n{text}\n")


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
    try:
        text = session.host.startup_config()
    except OSError as error:
        session.refuse(f"%Error opening nvram:startup-config ({error.strerror or error})\n")
        return
    if text is None:
        await session.page(NO_STARTUP_CONFIG)
        return
    size = len(text.encode())
    await session.page(f"Using {size} out of {max(NVRAM_BYTES, size)} bytes\n{text}")


async def write_memory(session: Session) -> bool:
    """`write memory`, `write`; whether it was written."""
    session.write(BUILDING)
    try:
        await session.host.save()
    except OSError as error:
        session.refuse(f"%Error writing nvram:startup-config ({error.strerror or error})\n")
        return False
    session.write("[OK]\n")
    return True


async def write_erase(session: Session) -> None:
    """`write erase`, `erase startup-config`, `erase nvram:`."""
    if not await session.confirm("Erasing the nvram filesystem will remove all configuration files! Continue?"):
        return
    try:
        await session.host.erase()
    except OSError as error:
        session.refuse(f"%Error erasing nvram: ({error.strerror or error})\n")
        return
    session.write("[OK]\nErase of nvram: complete\n")
