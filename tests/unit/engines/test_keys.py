from __future__ import annotations

from pathlib import Path

from roadstead.engines.host import HostFacts
from roadstead.engines.keys import provider_key
from roadstead.engines.recipe import Condition, GoProvider, Patch

FULL = HostFacts("amd64", frozenset({"CAP_SYS_RESOURCE"}))
POOR = HostFacts("amd64", frozenset())
PATCH = Patch(module="m", file="f", find="a", replace="b", when=Condition(lacks_capability="CAP_SYS_RESOURCE"))
PLAIN = GoProvider(outputs={"x": "m"}, modules={"m": "v1.0.0"})
PATCHED = GoProvider(outputs={"x": "m"}, modules={"m": "v1.0.0"}, patches=(PATCH,))


def test_a_patch_makes_another_build_only_where_it_applies(tmp_path: Path) -> None:
    assert provider_key(PATCHED, FULL, tmp_path) == provider_key(PLAIN, FULL, tmp_path)
    assert provider_key(PATCHED, POOR, tmp_path) != provider_key(PLAIN, POOR, tmp_path)


def test_architecture_and_version_and_sources_decide(tmp_path: Path) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "main.go").write_text("package main")
    ours = GoProvider(outputs={"x": "."}, source="src")
    keys = {
        provider_key(PLAIN, FULL, tmp_path),
        provider_key(PLAIN, HostFacts("arm64", FULL.capabilities), tmp_path),
        provider_key(GoProvider(outputs={"x": "m"}, modules={"m": "v1.0.1"}), FULL, tmp_path),
        provider_key(ours, FULL, tmp_path),
    }
    (folder / "main.go").write_text("package main // changed")
    keys.add(provider_key(ours, FULL, tmp_path))
    assert len(keys) == 5
