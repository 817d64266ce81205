"""Questions of the commands that change files: `file prompt quiet` answers them by their defaults."""

from __future__ import annotations

from iosish.terminal.session import Interrupted, Session


async def ask(session: Session, question: str, default: str | None) -> str:
    """As `Session.ask`. Raises Interrupted, also when there is neither an answer nor a default."""
    if _quiet(session) and default is not None:
        return default
    answer = await session.ask(question, default)
    if not answer:
        raise Interrupted
    return answer


async def confirm(session: Session, question: str, warning: str = "") -> bool:
    """As `Session.confirm`; `warning` stands above the question, for whoever is asked."""
    if _quiet(session):
        return True
    if session.interactive:
        session.write(warning)
    return await session.confirm(question)


def _quiet(session: Session) -> bool:
    return session.host.config.file_prompt == "quiet"
