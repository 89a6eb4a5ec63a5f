"""regctl (regclient): uploads in chunks, referrers, and everything that the specification offers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clients import Client, Registry

SBOM = "application/spdx+json"


@pytest.fixture
def regctl(client: Callable[[str], Client], registry: Registry) -> Client:
    """regctl, logged in to the private registry."""
    regctl = client("regctl")
    regctl("registry", "set", registry.host, "--tls", "disabled", "--skip-check")
    regctl("registry", "login", registry.host, "--user", "AWS", "--pass-stdin", stdin=registry.password)
    return regctl


def test_push_list_pull_copy_and_delete(regctl: Client, registry: Registry, layout: Path, tmp_path: Path) -> None:
    image, copy = registry.create("regctl/web"), registry.create("regctl/copy")
    regctl("image", "copy", f"ocidir://{layout}:web", f"{image}:v1")
    digest = regctl("image", "digest", f"{image}:v1").strip()
    assert registry.images("regctl/web") == {"v1": digest}
    regctl("image", "copy", f"{image}:v1", f"{image}:latest")
    assert regctl("tag", "ls", image).split() == ["latest", "v1"]
    regctl("image", "export", f"{image}:v1", tmp_path / "exported.tar")
    regctl("image", "import", f"{copy}:imported", tmp_path / "exported.tar")
    regctl("image", "copy", f"{image}:v1", f"{copy}:v1")
    assert registry.images("regctl/copy") == {"imported": digest, "v1": digest}
    assert "regctl/copy" in regctl("repo", "ls", registry.host).split()
    regctl("tag", "rm", f"{image}:latest")
    assert registry.images("regctl/web") == {"v1": digest}
    regctl("manifest", "delete", f"{image}@{digest}")
    assert registry.digests("regctl/web") == set()
    assert "404" in regctl.refused("manifest", "head", f"{image}:v1")


def test_large_blobs_go_in_chunks(regctl: Client, registry: Registry, layout: Path, tmp_path: Path) -> None:
    image = registry.create("regctl/chunked")
    regctl("registry", "set", registry.host, "--blob-max", "1000000", "--blob-chunk", "700000")
    regctl("image", "copy", f"ocidir://{layout}:web", f"{image}:v1")
    regctl("image", "copy", f"{image}:v1", f"ocidir://{tmp_path / 'pulled'}:web")
    manifest = json.loads(regctl("manifest", "get", f"{image}:v1", "--format", "raw-body"))
    layers = [entry["digest"].removeprefix("sha256:") for entry in manifest["layers"]]
    for name in layers:
        own, pulled = (folder / "blobs" / "sha256" / name for folder in (layout, tmp_path / "pulled"))
        assert own.read_bytes() == pulled.read_bytes()


def test_referrers_are_listed_copied_and_deleted(regctl: Client, registry: Registry, layout: Path) -> None:
    image, copy = registry.create("regctl/subject"), registry.create("regctl/subject-copy")
    regctl("image", "copy", f"ocidir://{layout}:web", f"{image}:v1")
    for kind, content in ((SBOM, '{"spdxVersion": "SPDX-2.3"}'), ("application/x-signature", "signed")):
        regctl("artifact", "put", "--artifact-type", kind, "--subject", f"{image}:v1", stdin=content)
    of_type = ("artifact", "list", f"{image}:v1", "--filter-artifact-type", SBOM, "--format", "body")
    assert [entry["artifactType"] for entry in json.loads(regctl(*of_type))["manifests"]] == [SBOM]
    found = regctl("artifact", "get", "--subject", f"{image}:v1", "--filter-artifact-type", SBOM)
    assert json.loads(found) == {"spdxVersion": "SPDX-2.3"}
    regctl("image", "copy", "--referrers", f"{image}:v1", f"{copy}:v1")
    listed = json.loads(regctl("artifact", "list", f"{copy}:v1", "--format", "body"))["manifests"]
    assert {entry["artifactType"] for entry in listed} == {SBOM, "application/x-signature"}
    for entry in listed:
        regctl("manifest", "delete", "--referrers", f"{copy}@{entry['digest']}")
    left = json.loads(regctl("artifact", "list", f"{copy}:v1", "--format", "body"))
    assert not left.get("manifests")


def test_an_index_is_made_of_images_that_are_there(
    regctl: Client, registry: Registry, platforms: dict[str, Path]
) -> None:
    image = registry.create("regctl/index")
    for name, folder in platforms.items():
        regctl("image", "copy", f"ocidir://{folder}:web", f"{image}:{name}")
    references = [argument for name in platforms for argument in ("--ref", f"{image}:{name}")]
    regctl("index", "create", f"{image}:all", *references)
    config = json.loads(regctl("image", "inspect", "--platform", "linux/arm64", f"{image}:all"))
    assert config["architecture"] == "arm64"
    regctl("blob", "put", image, stdin="loose")
