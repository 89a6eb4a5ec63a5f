from __future__ import annotations

import pytest

from roadstead.cli.app import app
from roadstead.cli.coverage import coverage
from roadstead.cli.failure import CommandFailed


def test_help_says_what_each_command_does(capsys: pytest.CaptureFixture[str]):
    app(["--help"], result_action="return_value")
    shown = [line.strip("│ ").split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[:1] == "│"]
    assert {"up", "down", "status", "engines", "doctor"} <= {words[0] for words in shown}
    assert [words for words in shown if len(words) < 2] == []


def test_coverage_of_an_unknown_service_names_those_there_are():
    with pytest.raises(CommandFailed, match=r"no service is called rocket; there are: .*ecs"):
        coverage("rocket")
