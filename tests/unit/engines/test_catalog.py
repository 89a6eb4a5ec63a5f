from __future__ import annotations

import asyncio
import errno
import json
from pathlib import Path

import pytest
from tests.unit.engines.conftest import Bench, script

from roadstead.engines import cache as cache_module
from roadstead.engines.errors import EngineError, EngineUnavailable, UnknownEngine
from roadstead.engines.progress import Stage

RECIPE = """
name = "tool"
version = "1.0"
files = ["tool"]
check = { file = "tool", pattern = 'tool (\\d+)' }
[[providers]]
kind = "path"
[[providers]]
kind = "release"
[[providers]]
kind = "go"
outputs = { tool = "example.com/tool" }
modules = { "example.com/tool" = "v1.0.0" }
"""
GO = r"""
case "$1" in
  env) echo go1.26.0 ;;
  mod)
    case "$2" in
      download) echo '{"Path": "example.com/tool", "Version": "v1.0.0", "Sum": "h1:x", "Dir": "/nowhere", "GoMod": "g"}' ;;
      edit) echo '{"Go": "1.21"}' ;;
    esac ;;
  list) printf 'a\nb\n' ;;
  build)
    printf 'a\nb\n' >&2
    while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\necho tool 1\n' > "$2" ;;
esac
"""


@pytest.fixture
def go(bench: Bench, bare_path: Path) -> Path:
    bench.recipe("tool", RECIPE)
    return script(bare_path / "go", GO)


async def test_the_first_provider_that_can_gives_it_and_the_others_say_why_not(bench: Bench, go: Path) -> None:
    engine = (await bench.catalog().ensure(["tool"], bench.events.append))["tool"]
    assert engine.provider == "go"
    passed_over = [event.detail for event in bench.events if event.stage is Stage.PASSED_OVER]
    assert passed_over == ["release: no download of tool 1.0 is pinned for amd64"]
    building = [event for event in bench.events if event.stage is Stage.BUILDING and event.done is not None]
    assert [(event.done, event.total) for event in building] == [(0, 2), (1, 2), (2, 2), (2, 2)]
    manifest = json.loads((engine.path("tool").parent.parent / "manifest.json").read_text())
    assert manifest["origin"] == {"toolchain": "go1.26.0", "module example.com/tool": "v1.0.0 h1:x"}


async def test_when_all_is_there_no_process_is_started(bench: Bench, go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await bench.catalog().ensure(["tool"])

    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"started {args}")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", forbidden)
    assert await bench.catalog().ensure(["tool", "tool"]) == first


async def test_nothing_helps(bench: Bench, go: Path) -> None:
    no_proxy = "echo 'dial tcp: lookup proxy.invalid: no such host' >&2; exit 1"
    script(go, f'if [ "$1" = env ]; then echo go1.26.0; else {no_proxy}; fi')
    with pytest.raises(EngineUnavailable) as caught:
        await bench.catalog().ensure(["tool"])
    told = str(caught.value).splitlines()
    assert told[0] == "tool could not be provided:"
    assert told[1] == "  - path: no tool on PATH"
    assert "no such host" in told[3]
    assert "  - let `go` reach its module proxy (`go env GOPROXY` shows which it asks), then run this again" in told
    assert "  - put tool into a directory and name it in ROADSTEAD_ENGINES_DIR" in told


async def test_a_full_disk_is_an_error_that_names_the_place_and_leaves_nothing(
    bench: Bench, go: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(cache_module, "_fsync", full)
    with pytest.raises(EngineError, match=r"tool could not be installed in .*cache: .*No space left"):
        await bench.catalog().ensure(["tool"])
    monkeypatch.undo()
    assert list((bench.cache.root / "tool" / "1.0").iterdir()) == []


async def test_discard_and_verify(bench: Bench, go: Path) -> None:
    binary = (await bench.catalog().ensure(["tool"]))["tool"].path("tool")
    assert bench.catalog().verify("tool") == []
    binary.write_bytes(b"x" * binary.stat().st_size)
    assert bench.catalog().verify("tool") == ["tool"]
    bench.catalog().discard("tool")
    assert bench.catalog().verify("tool") == []
    await bench.catalog().ensure(["tool"])
    assert bench.catalog().verify("tool") == []


async def test_unknown_names(bench: Bench, go: Path) -> None:
    with pytest.raises(UnknownEngine, match="no engine is called too"):
        await bench.catalog().ensure(["too"])
    with pytest.raises(UnknownEngine):
        await bench.catalog().find("too")
