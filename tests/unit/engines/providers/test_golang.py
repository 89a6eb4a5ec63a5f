"""Real builds with the machine's Go toolchain, of modules that a proxy in a directory serves: nothing leaves the machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.engines.conftest import Bench

from roadstead.engines.errors import EngineError, EngineUnavailable
from roadstead.engines.host import HostFacts
from roadstead.engines.providers.toolchain import Toolchain

MAIN = """package main

import ("fmt"; "os"; "path/filepath"; "example.com/staging"; "example.com/other")

const score = -999
var version = "unset"

func main() { fmt.Println(filepath.Base(os.Args[0]), version, score, staging.Name, other.Name) }
"""
RECIPE = """
name = "tool"
version = "1.0.0"
files = ["tool", "alias"]
check = { file = "tool", pattern = '(v[0-9.]+)' }
[[providers]]
kind = "go"
modules = { "example.com/tool" = "v1.0.0" }
outputs = { tool = "example.com/tool/cmd/tool" }
links = { alias = "tool" }
ldflags = ["-X main.version=v1.0.0"]
copy_requires = ["example.com/tool"]
replacements = [{ module = "example.com/tool", prefix = "example.com/sta", at = "v0.0.0", to = "v0.36.3" }]
[[providers.patches]]
module = "example.com/tool"
file = "cmd/tool/main.go"
find = "score = -999"
replace = "score = 0"
when = { lacks_capability = "CAP_SYS_RESOURCE" }
"""


def publish(proxy: Path, module: str, version: str, files: dict[str, str]) -> None:
    """Put a module version where a file system proxy looks for it (https://go.dev/ref/mod#goproxy-protocol)."""
    versions = proxy / module / "@v"
    versions.mkdir(parents=True, exist_ok=True)
    (versions / f"{version}.info").write_text(json.dumps({"Version": version}))
    (versions / f"{version}.mod").write_text(files["go.mod"])
    with zipfile.ZipFile(versions / f"{version}.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{module}@{version}/{name}", text)


@pytest.fixture(scope="module")
def go() -> str:
    return str(Toolchain.find().go)


@pytest.fixture
def proxy(tmp_path: Path, bench: Bench, go: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module proxy, and an empty module cache before it; the build cache of the machine is shared."""
    directory = tmp_path / "proxy"
    requires = "require (\n\texample.com/staging v0.0.0\n\texample.com/other v1.5.0\n)\n"
    publish(directory, "example.com/tool", "v1.0.0", {
        "go.mod": f"module example.com/tool\n\ngo 1.21\n\n{requires}", "cmd/tool/main.go": MAIN
    })  # fmt: skip
    for module, version in (("staging", "v0.36.3"), ("other", "v1.5.0")):
        source = f'package {module}\n\nconst Name = "{module}-{version}"\n'
        mod = f"module example.com/{module}\n\ngo 1.21\n"
        publish(directory, f"example.com/{module}", version, {"go.mod": mod, "x.go": source})
    monkeypatch.setenv("GOPROXY", f"file://{directory}")
    monkeypatch.setenv("GONOSUMDB", "example.com")
    monkeypatch.setenv("GOFLAGS", "-modcacherw")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    monkeypatch.setenv("PATH", f"{Path(go).parent}:/usr/bin:/bin")
    return directory


def said(program: Path) -> list[str]:
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()


async def test_replacements_requirements_links_flags_and_a_patch_as_data(bench: Bench, proxy: Path) -> None:
    bench.recipe("tool", RECIPE)
    engine = (await bench.catalog().ensure(["tool"]))["tool"]
    assert said(engine.path("tool")) == ["tool", "v1.0.0", "0", "staging-v0.36.3", "other-v1.5.0"]
    assert said(engine.path("alias"))[0] == "alias"
    assert not (engine.path("tool").parent.parent / "scratch").exists()


async def test_a_patch_stays_away_where_its_condition_does_not_hold(bench: Bench, proxy: Path) -> None:
    bench.recipe("tool", RECIPE)
    rich = HostFacts("amd64", frozenset({"CAP_SYS_RESOURCE"}))
    engine = (await bench.catalog(rich).ensure(["tool"]))["tool"]
    assert said(engine.path("tool"))[2] == "-999"
    poor = (await bench.catalog().ensure(["tool"]))["tool"]
    assert poor.path("tool") != engine.path("tool")


async def test_a_patch_that_finds_nothing_is_an_error(bench: Bench, proxy: Path) -> None:
    bench.recipe("tool", RECIPE.replace('find = "score = -999"', 'find = "score = 5"'))
    with pytest.raises(EngineError, match=r"patches 'score = 5' in example.com/tool/cmd/tool/main.go"):
        await bench.catalog().ensure(["tool"])


async def test_a_module_with_another_checksum_is_never_built(bench: Bench, proxy: Path) -> None:
    pinned = 'sums = { "example.com/tool" = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }\n'
    bench.recipe("tool", RECIPE.replace("[[providers.patches]]", f"{pinned}[[providers.patches]]"))
    with pytest.raises(EngineError, match="do not use it"):
        await bench.catalog().ensure(["tool"])


async def test_a_module_that_cannot_be_had_says_what_to_do(
    bench: Bench, proxy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.recipe("tool", RECIPE)
    monkeypatch.setenv("GOPROXY", "off")
    with pytest.raises(EngineUnavailable, match=r"(?s)GOPROXY=off.*let `go` reach its module proxy"):
        await bench.catalog().ensure(["tool"])


async def test_a_source_that_does_not_compile_shows_the_compiler(bench: Bench, proxy: Path) -> None:
    bench.recipe("tool", RECIPE.replace('replace = "score = 0"', 'replace = "score = nonsense"'))
    with pytest.raises(EngineUnavailable, match="undefined: nonsense"):
        await bench.catalog().ensure(["tool"])


async def test_our_pause_reaps_orphans_and_leaves_when_asked(bench: Bench, proxy: Path) -> None:
    pause = (await bench.catalog().ensure(["pause"]))["pause"].path("pause")
    for number in (signal.SIGTERM, signal.SIGINT):
        await asyncio.to_thread(_holds_a_namespace, pause, number)


def _holds_a_namespace(pause: Path, number: signal.Signals) -> None:
    """In a pid namespace of its own it becomes the parent of every orphan, here of one that ends soon."""
    command = ["unshare", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", f"(sleep 0.1 &); exec {pause}"]
    with subprocess.Popen(command) as outer:
        try:
            _poll(lambda: any(_name(child) == "pause" for child in _children(outer.pid)))
            (inner,) = _children(outer.pid)
            _poll(lambda: not _children(inner))
            os.kill(inner, number)
            assert outer.wait(20) == 0
        finally:
            outer.kill()


def _poll(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
