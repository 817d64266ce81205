"""Runs in the environment of Genie: JSON questions (os, command, text) on standard input, JSON answers out."""

from __future__ import annotations

import json
import sys

from genie.libs.parser.utils import get_parser


class Device:
    """As much of a device as Genie looks at to choose a parser."""

    def __init__(self, os: str) -> None:
        self.os = os
        self.name = "R1"
        self.custom: dict[str, object] = {}
        self.type = self.platform = self.model = self.version = self.series = None

    def is_connected(self) -> bool:
        return False


answers = []
for question in json.load(sys.stdin):
    device = Device(question["os"])
    try:
        parser, arguments = get_parser(question["command"], device)
        answers.append(parser(device=device).parse(output=question["text"], **arguments))
    except Exception as error:  # whatever the library raises is the answer
        answers.append(f"{type(error).__name__}: {error}")
print(json.dumps(answers, default=str))
