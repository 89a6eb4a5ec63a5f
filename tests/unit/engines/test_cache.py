from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from roadstead.engines.cache import Cache, InstalledEngine
from roadstead.engines.errors import EngineError, UnknownEngine
from roadstead.engines.recipe import Check, Recipe

RECIPE = Recipe(name="tool", version="1.0", files=("tool",), check=Check(file="tool", pattern="(x)"), providers=())


def install(cache: Cache, content: bytes = b"binary", key: str = "k") -> InstalledEngine:
    with cache.staging(RECIPE, "go", key, "amd64") as staging:
        (staging.bin / "tool").write_bytes(content)
        return staging.commit({"module x": "v1"})


def test_an_installation_is_found_again_with_its_record(cache: Cache) -> None:
    installed = install(cache)
    assert cache.find(RECIPE, "k") == installed
    assert installed.path("tool").read_bytes() == b"binary"
    assert installed.path("tool").stat().st_mode & 0o777 == 0o755
    manifest = cache.manifest(RECIPE, "k")
    assert manifest is not None
    assert manifest.files["tool"].sha256 == hashlib.sha256(b"binary").hexdigest()
    assert manifest.origin == {"module x": "v1"}
    with pytest.raises(UnknownEngine, match="it has tool"):
        installed.path("other")


def test_nothing_is_there_before_the_commit_nor_after_a_failure(cache: Cache) -> None:
    def fails() -> None:
        with cache.staging(RECIPE, "go", "k", "amd64") as staging:
            (staging.bin / "tool").write_bytes(b"half")
            (staging.scratch / "read-only").mkdir(mode=0o555)
            assert cache.find(RECIPE, "k") is None
            raise RuntimeError("power")

    with pytest.raises(RuntimeError):
        fails()
    assert cache.find(RECIPE, "k") is None
    assert list((cache.root / "tool" / "1.0").iterdir()) == []


def test_a_provider_that_left_a_file_out_is_an_error(cache: Cache) -> None:
    with pytest.raises(EngineError, match="left no tool"), cache.staging(RECIPE, "go", "k", "amd64") as staging:
        staging.commit({})
    assert cache.find(RECIPE, "k") is None


@pytest.mark.parametrize("damage", ["remove", "shorten", "manifest"])
def test_a_damaged_installation_does_not_count_and_is_replaced(cache: Cache, damage: str) -> None:
    binary = install(cache).path("tool")
    if damage == "remove":
        binary.unlink()
    elif damage == "shorten":
        binary.write_bytes(b"bin")
    else:
        (cache.place(RECIPE, "k") / "manifest.json").write_text("{")
    assert cache.find(RECIPE, "k") is None
    assert install(cache).path("tool").read_bytes() == b"binary"


def test_a_changed_byte_shows_in_the_checksums(cache: Cache) -> None:
    binary = install(cache).path("tool")
    assert cache.damaged(RECIPE, "k") == []
    binary.write_bytes(b"BINARY")
    assert cache.find(RECIPE, "k") is not None
    assert cache.damaged(RECIPE, "k") == ["tool"]


def test_what_killed_installers_left_is_swept_and_nothing_else(cache: Cache) -> None:
    install(cache)
    left = cache.root / "tool" / "1.0" / ".k-abc"
    (left / "scratch" / "module").mkdir(parents=True)
    (left / "scratch" / "module" / "file").write_text("x")
    (left / "scratch" / "module").chmod(0o555)
    cache.downloads(RECIPE).mkdir()
    (cache.downloads(RECIPE) / "x.part").touch()
    cache.sweep(RECIPE)
    assert not left.exists()
    assert (cache.downloads(RECIPE) / "x.part").exists()
    assert cache.find(RECIPE, "k") is not None


def test_discard(cache: Cache) -> None:
    install(cache)
    cache.discard(RECIPE, "k")
    cache.discard(RECIPE, "k")
    assert cache.find(RECIPE, "k") is None


@pytest.mark.parametrize(("variable", "expected"), [("/c", "/c/roadstead/engines"), ("relative", "~"), ("", "~")])
def test_the_default_place(monkeypatch: pytest.MonkeyPatch, variable: str, expected: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    monkeypatch.setenv("HOME", "/home/me")
    expected = expected.replace("~", "/home/me/.cache/roadstead/engines")
    assert Cache.default().root == Path(expected)


def test_behind_sudo_the_callers_engines_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caller, root = tmp_path / "caller", tmp_path / "root"
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setattr("roadstead.engines.cache.person_home", lambda: caller)
    assert Cache.default().root == root / ".cache/roadstead/engines"
    (caller / ".cache/roadstead/engines").mkdir(parents=True)
    assert Cache.default().root == caller / ".cache/roadstead/engines"
