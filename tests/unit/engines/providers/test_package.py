"""The package provider with an apt-get that is a script."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.engines.conftest import Bench, script

from roadstead.engines.errors import EngineUnavailable

RECIPE = """
name = "tool"
version = "1.0"
files = ["tool"]
check = { file = "tool", pattern = 'tool (\\d+)' }
[[providers]]
kind = "path"
[[providers]]
kind = "package"
packages = ["tool-static"]
"""


@pytest.fixture
def apt(bench: Bench, bare_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get that knows its packages after an update only; returns the file in which it notes what it was told."""
    bench.recipe("tool", RECIPE)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    notes = tmp_path / "notes"
    script(
        bare_path / "apt-get",
        f"""echo "$DEBIAN_FRONTEND $*" >> {notes}
        case "$1" in
          update) touch {tmp_path}/lists ;;
          install) test -e {tmp_path}/lists || {{ echo "E: Unable to locate package" >&2; exit 100; }}
            printf '#!/bin/sh\\necho tool 1\\n' > {bare_path}/tool; chmod +x {bare_path}/tool ;;
        esac""",
    )
    return notes


async def test_installs_after_refreshing_the_lists(bench: Bench, apt: Path, bare_path: Path) -> None:
    engine = (await bench.catalog().ensure(["tool"]))["tool"]
    assert engine.path("tool") == bare_path / "tool"
    lines = apt.read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["install", "update", "install"]
    assert all(line.startswith("noninteractive ") for line in lines)
    assert lines[-1].endswith("tool-static")
    assert all("--no-remove" in line for line in lines if "install" in line)
    await bench.catalog().ensure(["tool"])
    assert len(apt.read_text().splitlines()) == 3


async def test_without_root_it_says_what_to_type(bench: Bench, apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EngineUnavailable, match="sudo apt-get install tool-static"):
        await bench.catalog().ensure(["tool"])
    assert not apt.exists()


async def test_offline(bench: Bench, apt: Path, bare_path: Path) -> None:
    script(bare_path / "apt-get", "echo 'E: Could not connect' >&2; exit 100")
    with pytest.raises(EngineUnavailable, match=r"(?s)Could not connect.*let apt reach its mirrors"):
        await bench.catalog().ensure(["tool"])
