from __future__ import annotations

import os
import sys

import pytest

from roadstead.cli import main


@pytest.mark.filterwarnings("ignore:Cyclopts")
def test_another_user_is_told_how_to_become_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["roadstead", "up", "--data", "/somewhere else"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 1
    assert told.startswith("roadstead: this needs root")
    assert "sudo" in told
    assert "up --data '/somewhere else'" in told
