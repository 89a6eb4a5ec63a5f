from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.engines.conftest import Bench, script

from roadstead.engines.host import HostFacts

RECIPE = """
name = "tool"
version = "2.0.0"
files = ["tool", "helper"]
check = { file = "tool", arguments = ["--version"], pattern = 'tool (\\d+\\.\\d+)', accepts = ">=2,<3" }
[[providers]]
kind = "path"
"""


def tool(directory: Path, version: str, *, helper: bool = True) -> None:
    directory.mkdir(exist_ok=True)
    script(directory / "tool", f'echo run >> "{directory}/runs"; echo "tool {version}"')
    if helper:
        script(directory / "helper", "true")


def runs(directory: Path) -> int:
    return len((directory / "runs").read_text().splitlines())


async def test_path_gives_a_version_that_fits_and_asks_it_once(bench: Bench, bare_path: Path) -> None:
    bench.recipe("tool", RECIPE)
    tool(bare_path, "2.5")
    await bench.catalog().ensure(["tool"])
    engine = (await bench.catalog().ensure(["tool"]))["tool"]
    assert (engine.path("helper"), engine.version, engine.provider) == (bare_path / "helper", "2.5", "path")
    assert runs(bare_path) == 1


async def test_a_changed_file_is_asked_again(bench: Bench, bare_path: Path) -> None:
    bench.recipe("tool", RECIPE)
    tool(bare_path, "2.5")
    await bench.catalog().ensure(["tool"])
    tool(bare_path, "2.6.1")
    assert (await bench.catalog().ensure(["tool"]))["tool"].version == "2.6"


async def test_the_directory_that_the_user_names_comes_first(
    bench: Bench, bare_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.recipe("tool", RECIPE)
    tool(bare_path, "2.5")
    tool(tmp_path / "mine", "2.1")
    monkeypatch.setenv("ROADSTEAD_ENGINES_DIR", f"{tmp_path / 'nothing'}:{tmp_path / 'mine'}")
    assert (await bench.catalog().ensure(["tool"]))["tool"].path("tool") == tmp_path / "mine" / "tool"
    engine = (await bench.catalog(engines_dir=bare_path).ensure(["tool"]))["tool"]
    assert engine.path("tool") == bare_path / "tool"


async def test_a_directory_with_the_name_of_a_program_is_passed_over(
    bench: Bench, bare_path: Path, tmp_path: Path
) -> None:
    bench.recipe("tool", RECIPE)
    tool(bare_path, "2.5")
    for name in ("tool", "helper"):
        (tmp_path / "mine" / name).mkdir(parents=True)
    engine = (await bench.catalog(engines_dir=tmp_path / "mine").ensure(["tool"]))["tool"]
    assert engine.path("tool") == bare_path / "tool"


@pytest.mark.parametrize(
    ("version", "helper", "told"),
    [("1.9", True, "tool is 1.9, needed is >=2,<3"), ("x", True, "shows no version"), ("2.0", False, "has no helper")],
)
async def test_what_will_not_do_says_why(bench: Bench, bare_path: Path, version: str, helper: bool, told: str) -> None:
    bench.recipe("tool", RECIPE)
    tool(bare_path, version, helper=helper)
    found, refused = await bench.catalog().find("tool")
    assert found is None
    assert told in refused[0][1].reason


async def test_a_program_for_another_machine_shows_no_version(bench: Bench, bare_path: Path) -> None:
    bench.recipe("tool", RECIPE)
    tool(bare_path, "2.0")
    (bare_path / "tool").write_bytes(b"\x7fELF\x02\x01" + bytes(100))
    _, refused = await bench.catalog().find("tool")
    assert "shows no version" in refused[0][1].reason


async def test_a_script_is_not_static(bench: Bench, bare_path: Path) -> None:
    bench.recipe("tool", RECIPE.replace("accepts", "static = true, accepts"))
    tool(bare_path, "2.0")
    _, refused = await bench.catalog().find("tool")
    assert "is not statically linked" in refused[0][1].reason


async def test_a_provider_counts_only_where_its_condition_holds(bench: Bench, bare_path: Path) -> None:
    bench.recipe("tool", RECIPE + 'when = { has_capability = "CAP_SYS_RESOURCE" }\n')
    tool(bare_path, "2.0")
    assert (await bench.catalog().find("tool"))[0] is None
    rich = HostFacts("amd64", frozenset({"CAP_SYS_RESOURCE"}))
    assert (await bench.catalog(rich).find("tool"))[0] is not None
