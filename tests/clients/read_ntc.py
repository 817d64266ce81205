"""Runs in the environment of ntc-templates: JSON questions (command, text) on standard input, JSON answers out."""

from __future__ import annotations

import json
import sys

from ntc_templates.parse import parse_output

answers = []
for question in json.load(sys.stdin):
    try:
        answers.append(parse_output(platform="cisco_ios", command=question["command"], data=question["text"]))
    except Exception as error:  # whatever the library raises is the answer
        answers.append(f"{type(error).__name__}: {error}")
print(json.dumps(answers))
