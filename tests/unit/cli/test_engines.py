"""`roadstead engines` and `roadstead doctor` as a user calls them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from roadstead.cli import doctor, engines
from roadstead.cli.engine_progress import showing
from roadstead.engines.progress import Event, Stage


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and a runc of our own in a directory that the user names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ROADSTEAD_ENGINES_DIR", str(tmp_path))
    runc = tmp_path / "runc"
    runc.write_text("#!/bin/sh\necho runc version 1.9.9\n")
    runc.chmod(0o755)


def call(app: object, *arguments: str) -> int:
    result: object = app(list(arguments), result_action="return_value")  # type: ignore[operator]
    assert isinstance(result, int)
    return result


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(engines.app, "list") == 0
    rows = {line.split("\t")[0]: line.split("\t") for line in capsys.readouterr().out.splitlines()}
    assert rows["runc"][3:5] == ["1.9.9", "path"]
    assert rows["pause"][3:5] == ["-", "no pause on PATH"]
    assert rows["runc"][6].endswith(", package runc")


def test_list_tells_whether_an_official_release_is_pinned(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(engines.app, "list") == 0
    rows = {line.split("\t")[0]: line.split("\t") for line in capsys.readouterr().out.splitlines()}
    go = r"Go build( \(no Go toolchain[^)]*\))?"
    assert re.fullmatch(f"this machine, official release, {go}", rows["containerd"][6])
    # For hosts with CAP_SYS_RESOURCE alone, and for them there is none.
    release = r"official release \(none is pinned for \w+\)"
    assert re.fullmatch(f"(this machine, {release}, )?{go}", rows["gvisor"][6])


def test_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(engines.app, "path", "runc") == 0
    assert call(engines.app, "path", "runc", "runc") == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "runc")] * 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["path", "pause"], "run `roadstead engines install pause`"),
        (["path", "runc", "other"], "runc has no file other"),
        (["path", "rocket"], "no engine is called rocket"),
        (["install", "rocket"], "no engine is called rocket"),
    ],
)
def test_errors_go_to_stderr_with_status_1(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    assert call(engines.app, *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err


def test_install_prints_the_paths(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(engines.app, "install", "runc") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'runc'}\n"


def test_doctor_for_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status = call(doctor.app, "--json", "--data", str(tmp_path))
    findings = json.loads(capsys.readouterr().out)
    assert status == int(any(finding["verdict"] == "problem" for finding in findings))
    assert {"subject": "engine runc", "verdict": "ok", "detail": "1.9.9 (path)"} in findings


def test_doctor_for_people(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call(doctor.app, "--data", str(tmp_path))
    assert "ok      engine runc: 1.9.9 (path)" in capsys.readouterr().out.splitlines()


EVENTS = [
    Event("tool", Stage.DOWNLOADING, "", 1_500_000, 3_000_000),
    Event("tool", Stage.DOWNLOADING, "", 3_000_000, 3_000_000),
    Event("tool", Stage.BUILDING, "tool", 1, 2),
    Event("tool", Stage.READY, "go"),
]


def test_progress_without_a_terminal_is_a_line_a_stage() -> None:
    out = io.StringIO()
    with showing(Console(file=out, force_terminal=False)) as progress:
        for event in EVENTS:
            progress(event)
    assert out.getvalue().splitlines() == ["tool: downloading", "tool: building tool", "tool: ready go"]


def test_progress_on_a_terminal_is_a_bar() -> None:
    out = io.StringIO()
    with showing(Console(file=out, force_terminal=True, width=100)) as progress:
        for event in EVENTS[:3]:
            progress(event)
    assert "1 of 2 packages" in out.getvalue()
