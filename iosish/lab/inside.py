"""Being in a router's namespace: for `lab exec` and `lab capture`."""

from __future__ import annotations

import os
from typing import NoReturn

from iosish.lab import namespaces, rights
from iosish.lab.ask import ask_lab, say
from iosish.lab.places import Running, Trouble


def enter(lab: Running, namespace: str) -> None:
    """Move this process into a router's namespace. Raises Trouble."""
    try:
        rights.join(lab.record["pid"])
        namespaces.enter(namespace)
    except OSError as error:
        raise Trouble(f"cannot enter {namespace}: {error.strerror}") from None


def execute(lab: Running, router: str, command: list[str]) -> NoReturn:
    """Become a command in a router's namespace. Raises Trouble."""
    routers = ask_lab(lab, "status")["routers"]
    name = next((each for each in routers if each.lower() == router.lower()), None)
    if name is None:
        raise Trouble(f"there is no router {router} in this lab: {', '.join(routers)}")
    enter(lab, routers[name]["namespace"])
    try:
        namespaces.own_sys()
    except OSError as error:
        say(f"iosish lab exec: /sys stays the host's: {error.strerror}")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise Trouble(f"{command[0]}: {error.strerror}") from None
