"""What a command prints in a process where a server logs to the same output."""

from __future__ import annotations

import re

import pytest

_LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[")


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """The output since the last call, without log lines."""
    lines = capsys.readouterr().out.splitlines(keepends=True)
    return "".join(line for line in lines if _LOGGED.match(line) is None)
