from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.engines.catalog import Catalog
from roadstead.engines.errors import InvalidRecipe, UnknownEngine
from roadstead.engines.host import HostFacts
from roadstead.engines.recipe import Condition, GoProvider, read_recipe

GOOD = """
name = "tool"
version = "1.2.3"
files = ["tool"]
[check]
file = "tool"
pattern = 'v(\\d+)'
accepts = ">=1.2"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tool.toml"
    path.write_text(text)
    return path


def test_our_own_recipes_can_be_read() -> None:
    catalog = Catalog.load()
    assert {"containerd", "runc", "gvisor", "pause", "busybox", "nftables"} <= set(catalog.names("engine"))
    assert "etcd" in catalog.names("kubernetes")
    assert {"distribution", "versitygw"} <= set(catalog.names("peer"))


def test_every_module_of_ours_is_pinned_or_a_peer() -> None:
    catalog = Catalog.load()
    for name in catalog.names("engine") + catalog.names("kubernetes"):
        for provider in catalog.recipe(name).providers:
            if isinstance(provider, GoProvider):
                assert provider.modules.keys() == provider.sums.keys(), name


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("colour = 'red'", "colour"),
        ("providers = [{ kind = 'magic' }]", "magic"),
        ("providers = [{ kind = 'path', when = { has_capability = 'CAP_FLY' } }]", "CAP_FLY"),
        ("providers = [{ kind = 'package', packages = ['tool'] }]", "needs a path provider"),
        ("providers = [{ kind = 'go', outputs = { other = 'example.com/x' } }]", "makes no tool"),
        ("providers = [{ kind = 'go', outputs = { tool = '.' } }]", "needs a source"),
        ("providers = [{ kind = 'go', outputs = { tool = 'x' }, copy_requires = ['y'] }]", "modules lacks y"),
        ("providers = [{ kind = 'go', outputs = { tool = 'x' }, links = { a = 'b' } }]", "links to b"),
        ("providers = [{ kind = 'release', assets = [{ architecture = 'a', url = 'u', sha256 = 'XY' }] }]", "sha256"),
        ("providers = [{ kind = 'release', version = '1' }]", "does not fit check.accepts, >=1.2"),
    ],
)
def test_a_fault_is_named_with_its_file(tmp_path: Path, fault: str, told: str) -> None:
    text = GOOD.replace("[check]", f"{fault}\n[check]")
    if "providers" not in fault:
        text = text.replace("[check]", "providers = []\n[check]")
    with pytest.raises(InvalidRecipe, match=told) as caught:
        read_recipe(write(tmp_path, text))
    assert "tool.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('file = "tool"', 'file = "other"'),
        ('files = ["tool"]', 'files = ["bin/tool"]'),
        ('files = ["tool"]', "files = []"),
        ("'v(\\d+)'", "'v[0-9]+'"),
        ("'v(\\d+)'", "'v(['"),
        ('name = "tool"', 'name = "../tool"'),
        ('name = "tool"', "name ="),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str) -> None:
    text = GOOD.replace("[check]", "providers = []\n[check]")
    assert old in text
    read_recipe(write(tmp_path, text))
    with pytest.raises(InvalidRecipe):
        read_recipe(write(tmp_path, text.replace(old, new)))


def test_a_recipe_file_has_the_name_of_its_engine(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(GOOD.replace("[check]", "providers = []\n[check]"))
    with pytest.raises(InvalidRecipe, match="named tool"):
        Catalog.load([tmp_path])


def test_an_unknown_engine_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(UnknownEngine, match="containerd"):
        Catalog.load().recipe("contaienrd")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(), True),
        (Condition(has_capability="CAP_KILL"), True),
        (Condition(lacks_capability="CAP_KILL"), False),
        (Condition(has_capability="CAP_SYS_RESOURCE"), False),
        (Condition(lacks_capability="CAP_SYS_RESOURCE"), True),
        (Condition(has_capability="CAP_KILL", architecture="arm64"), False),
        (Condition(architecture="amd64"), True),
    ],
)
def test_conditions(condition: Condition, holds: bool) -> None:
    assert condition.holds(HostFacts("amd64", frozenset({"CAP_KILL"}))) is holds
