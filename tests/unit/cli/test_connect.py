from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from roadstead.agent.host.network import enter
from roadstead.cli import connect as module
from roadstead.cli.connect import connect
from roadstead.cli.failure import CommandFailed


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may connect."""
    monkeypatch.setattr(module, "require_root", lambda: None)


@pytest.mark.parametrize("vpc", ["vpc-none", "vpc-0A", "../netns"])
def test_what_is_no_vpc_here_is_told(tmp_path: Path, vpc: str) -> None:
    with pytest.raises(CommandFailed, match=f"{vpc} is not on this host"):
        connect(vpc, data=tmp_path)


def test_a_command_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> NoReturn:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(enter, "enter", missing)
    with pytest.raises(CommandFailed, match=r"nosuch -v can't be run in vpc-1: .*No such file or directory"):
        connect("vpc-1", "nosuch", "-v", data=tmp_path)
