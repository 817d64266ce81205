"""Where the folders are that travel with the program: `grammar` and `running-configs`."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `name` that belongs to this program.

    An installed wheel carries it inside the package; a checkout (also an editable install of one) has it beside the
    package. Raises FileNotFoundError when neither is there, which means that the installation is damaged.
    """
    for path in (_PACKAGE / name, _PACKAGE.parent / name):
        if path.is_dir():
            return path
    raise FileNotFoundError(f"the folder {name} of iosish is missing beside {_PACKAGE}")
