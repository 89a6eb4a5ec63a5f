"""crane (go-containerregistry): the library below ko, kaniko and many others."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from examples.oci_image import layer
from tests.support.clients import Client, Registry, aws


@pytest.fixture
def crane(client: Callable[[str], Client], registry: Registry) -> Client:
    """crane, logged in to the private registry."""
    crane = client("crane")
    crane("auth", "login", registry.host, "--username", "AWS", "--password-stdin", stdin=registry.password)
    return crane


def test_push_list_pull_copy_and_delete(crane: Client, registry: Registry, layout: Path, tmp_path: Path) -> None:
    image, copy = registry.create("crane/web"), registry.create("crane/copy")
    crane("push", layout, f"{image}:v1")
    digest = crane("digest", f"{image}:v1").strip()
    assert registry.images("crane/web") == {"v1": digest}
    crane("tag", f"{image}:v1", "latest")
    assert crane("ls", image).split() == ["latest", "v1"]
    crane("pull", "--format", "oci", f"{image}:latest", tmp_path / "pulled")
    assert digest in (tmp_path / "pulled" / "index.json").read_text()
    crane("validate", "--remote", f"{image}@{digest}")
    crane("copy", f"{image}:v1", f"{copy}:v1")
    assert registry.images("crane/copy") == {"v1": digest}
    crane("validate", "--remote", f"{copy}:v1")
    crane("delete", f"{image}:v1")
    assert crane("ls", image).split() == ["latest"]
    crane("delete", f"{image}@{digest}")
    assert registry.digests("crane/web") == set()
    assert "MANIFEST_UNKNOWN" in crane.refused("manifest", f"{image}:latest")


def test_an_index_is_copied_with_its_platforms(
    crane: Client, registry: Registry, platforms: dict[str, Path], tmp_path: Path
) -> None:
    image, copy = registry.create("crane/index"), registry.create("crane/index-copy")
    for name, folder in platforms.items():
        crane("push", folder, f"{image}:{name}")
    children = [f"{image}:{name}" for name in platforms]
    crane("index", "append", "-m", children[0], "-m", children[1], "-t", f"{image}:all")
    crane("copy", f"{image}:all", f"{copy}:all")
    index = json.loads(crane("manifest", f"{copy}:all"))
    assert {entry["platform"]["architecture"] for entry in index["manifests"]} == set(platforms)
    crane("pull", "--platform", "linux/arm64", f"{copy}:all", tmp_path / "arm64.tar")
    config = json.loads(crane("config", "--platform", "linux/arm64", f"{copy}:all"))
    assert config["architecture"] == "arm64"
    assert registry.digests("crane/index-copy") == {*registry.images("crane/index").values()}


def test_a_layer_of_unknown_length_is_streamed(crane: Client, registry: Registry, layout: Path, tmp_path: Path) -> None:
    image = registry.create("crane/append")
    crane("push", layout, f"{image}:v1")
    (tmp_path / "layer.tar").write_bytes(layer({"/data/more": b"more" * 1_000_000}))
    with (tmp_path / "layer.tar").open() as content:
        crane("append", "--base", f"{image}:v1", "--new_layer", "-", "--new_tag", f"{image}:v2", stdin=content.read())
    before, after = (json.loads(crane("manifest", f"{image}:{tag}"))["layers"] for tag in ("v1", "v2"))
    assert after[:-1] == before
    blob = crane("export", f"{image}:v2", tmp_path / "whole.tar")
    assert not blob
    assert b"more" * 1_000_000 in (tmp_path / "whole.tar").read_bytes()


def test_repositories_are_listed(crane: Client, registry: Registry) -> None:
    registry.create("crane/listed")
    assert "crane/listed" in crane("catalog", registry.host).split()


def test_a_region_is_in_the_name(crane: Client, registry: Registry, layout: Path) -> None:
    image = registry.create("crane/region", region="eu-west-1")
    host = image.partition("/")[0]
    crane("auth", "login", host, "--username", "AWS", "--password-stdin", stdin=registry.password)
    told = crane.refused("ls", image)
    assert "DENIED: Your authorization token is for us-east-1, this registry is in eu-west-1." in told
    password = aws(registry.server, "ecr", "get-login-password", "--region", "eu-west-1")
    crane("auth", "login", host, "--username", "AWS", "--password-stdin", stdin=password)
    crane("push", layout, f"{image}:v1")
    assert crane("ls", image).split() == ["v1"]
    assert "NAME_UNKNOWN" in crane.refused("ls", f"{registry.host}/crane/region")


def test_a_wrong_password_is_told(client: Callable[[str], Client], registry: Registry) -> None:
    crane, image = client("crane"), registry.create("crane/closed")
    crane("auth", "login", registry.host, "--username", "AWS", "--password", sha256(b"guess").hexdigest())
    assert "UNAUTHORIZED: Your Authorization Token is invalid." in crane.refused("ls", image)
