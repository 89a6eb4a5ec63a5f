"""Which Go builds engines: the first that is new enough, wherever it came from."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from tests.unit.engines.conftest import Bench, script

from roadstead.engines.errors import EngineUnavailable, NotProvided
from roadstead.engines.providers import toolchain
from roadstead.engines.providers.toolchain import Toolchain


def go(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return script(directory / "go", f'test "$*" = "env GOVERSION" && echo {version}')


@pytest.fixture(autouse=True)
def no_go(bare_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Go: an empty PATH, other usual places, and no package but the test's own."""
    monkeypatch.setenv("PATH", str(bare_path))
    monkeypatch.setattr(toolchain, "_PLACES", (str(tmp_path / "usual"),))
    monkeypatch.setattr(toolchain, "_PACKAGE", "go_of_this_test")


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site" / "go_of_this_test"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "site")
    return go(folder / "bin", "go1.26.6")


def test_the_one_on_path_comes_first(bare_path: Path, tmp_path: Path, packaged: Path) -> None:
    go(tmp_path / "usual", "go1.25")
    mine = go(bare_path, "go1.22.1")
    assert Toolchain.find().go == mine


def test_a_usual_place_comes_before_the_package(tmp_path: Path, packaged: Path) -> None:
    usual = go(tmp_path / "usual", "go1.25")
    assert Toolchain.find().go == usual


def test_the_package_is_taken_where_the_machines_own_is_too_old(bare_path: Path, packaged: Path) -> None:
    go(bare_path, "go1.19.8")
    assert Toolchain.find().go == packaged


def test_one_that_is_no_release_is_believed(bare_path: Path, packaged: Path) -> None:
    mine = go(bare_path, "devel go1.28-abcdef")
    assert Toolchain.find().go == mine


async def test_it_has_a_home_also_where_we_have_none(bare_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mine = script(bare_path / "go", 'echo "$HOME"')
    monkeypatch.delenv("HOME")
    done = await Toolchain(mine)("build", cwd=tmp_path)
    assert done.stdout.strip() == pwd.getpwuid(os.getuid()).pw_dir


def test_those_that_do_not_work_are_passed_over(bare_path: Path, tmp_path: Path, packaged: Path) -> None:
    script(bare_path / "go", "echo broken >&2; exit 2")
    usual = tmp_path / "usual"
    usual.mkdir()
    (usual / "go").write_bytes(b"\x7fELF of another machine")
    (usual / "go").chmod(0o755)
    assert Toolchain.find().go == packaged
    packaged.unlink()
    with pytest.raises(NotProvided, match=r"path/go does not work \(broken\), .*usual/go can't be run \(.*Exec format"):
        Toolchain.find()


async def test_a_build_is_of_our_settings_whatever_the_environment_says(
    bare_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("GOOS", "plan9"), ("GOARCH", "wasm"), ("GOFLAGS", "-mod=vendor"), ("CGO_ENABLED", "1")):
        monkeypatch.setenv(name, value)
    toolchain = Toolchain(script(bare_path / "go", 'echo "[$GOOS$GOARCH$GOFLAGS]$CGO_ENABLED"'))
    assert (await toolchain("version", cwd=tmp_path)).stdout == "[]0\n"


def test_without_any(bare_path: Path) -> None:
    with pytest.raises(NotProvided, match=r"^no Go toolchain$"):
        Toolchain.find()
    old = go(bare_path, "go1.19.8")
    with pytest.raises(NotProvided, match=rf"^no Go toolchain: {old} is of Go 1\.19$"):
        Toolchain.find()


async def test_a_failure_says_what_was_wrong_and_not_what_came_after(bare_path: Path, tmp_path: Path) -> None:
    said = '{\n  "Path": "a",\n  "Error": "a requires go >= 9.9",\n  "Info": "b",\n  "GoMod": "c",\n  "Zip": "d",\n  "Sum": "e"\n}'
    toolchain = Toolchain(script(bare_path / "go", f"echo '{said}'\nexit 1"))
    with pytest.raises(NotProvided, match=r"^`go mod download` failed: a requires go >= 9\.9$"):
        await toolchain("mod", "download", "-json", "a", cwd=tmp_path)


async def test_a_toolchain_may_fetch_a_newer_one_unless_the_environment_says_no(
    bare_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolchain = Toolchain(script(bare_path / "go", "echo $GOTOOLCHAIN"))
    monkeypatch.delenv("GOTOOLCHAIN", raising=False)
    assert (await toolchain("version", cwd=tmp_path)).stdout == "auto\n"
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    assert (await toolchain("version", cwd=tmp_path)).stdout == "local\n"


async def test_an_engine_that_cannot_be_built_says_what_to_install(bench: Bench) -> None:
    bench.recipe(
        "tool",
        """
        name = "tool"
        version = "1.0.0"
        files = ["tool"]
        check = { file = "tool", pattern = "(v[0-9.]+)" }
        [[providers]]
        kind = "go"
        modules = { "example.com/tool" = "v1.0.0" }
        outputs = { tool = "example.com/tool/cmd/tool" }
        """,
    )
    with pytest.raises(EngineUnavailable, match=r"(?s)no Go toolchain.*pip install 'roadstead\[go\]'"):
        await bench.catalog().ensure(["tool"])
