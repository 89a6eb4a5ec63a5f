from __future__ import annotations

import asyncio
import os
import sys

import pytest

from roadstead.cli.app import app
from roadstead.cli.coverage import coverage
from roadstead.cli.failure import CommandFailed


def test_help_says_what_each_command_does(capsys: pytest.CaptureFixture[str]):
    app(["--help"], result_action="return_value")
    shown = [line.strip("│ ").split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[:1] == "│"]
    assert {"up", "down", "status", "engines", "doctor"} <= {words[0] for words in shown}
    assert [words for words in shown if len(words) < 2] == []


async def test_what_an_encoding_lacks_is_replaced():
    code = """
import roadstead.cli
from roadstead.cli import app
from roadstead.cli.view import Lines, stopping_text
app.app = lambda: Lines().say(stopping_text(keep=False))
roadstead.cli.main()"""
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env=environment, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert (process.returncode, told) == (0, b"Stopping tasks and freeing everything ?\n")


def test_coverage_of_an_unknown_service_names_those_there_are():
    with pytest.raises(CommandFailed, match=r"no service is called rocket; there are: .*ecs"):
        coverage("rocket")
