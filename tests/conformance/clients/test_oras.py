"""ORAS: artifacts that are no images, and what refers to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clients import Client, Registry

MODEL, SBOM = "application/vnd.example.model", "application/spdx+json"
HTTP = "--plain-http"


@pytest.fixture
def oras(client: Callable[[str], Client], registry: Registry) -> Client:
    """ORAS, logged in to the private registry."""
    oras = client("oras")
    oras("login", HTTP, registry.host, "--username", "AWS", "--password-stdin", stdin=registry.password)
    return oras


def write(folder: Path, **files: str) -> None:
    """Files in the folder where the client runs."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)


def test_push_list_pull_copy_and_delete(oras: Client, registry: Registry, tmp_path: Path) -> None:
    image, copy = registry.create("oras/model"), registry.create("oras/copy")
    write(oras.home, weights="0.1 0.2", card="a model")
    oras("push", HTTP, "--artifact-type", MODEL, f"{image}:v1", "weights:text/plain", "card:text/plain")
    digest = oras("resolve", HTTP, f"{image}:v1").strip()
    oras("tag", HTTP, f"{image}:v1", "latest", "stable")
    assert oras("repo", "tags", HTTP, image).split() == ["latest", "stable", "v1"]
    oras("pull", HTTP, "--output", tmp_path / "pulled", f"{image}@{digest}")
    assert (tmp_path / "pulled" / "weights").read_text() == "0.1 0.2"
    oras("copy", "--from-plain-http", "--to-plain-http", f"{image}:v1", f"{copy}:v1,v2")
    assert registry.images("oras/copy") == {"v1": digest, "v2": digest}
    assert "oras/copy" in oras("repo", "ls", HTTP, registry.host).split()
    detail = registry.server.client("ecr").describe_images(repositoryName="oras/copy")["imageDetails"][0]
    assert detail["artifactMediaType"] == MODEL
    oras("manifest", "delete", HTTP, "--force", f"{image}:v1")
    assert digest not in registry.digests("oras/model")
    assert "not found" in oras.refused("resolve", HTTP, f"{image}:v1")


def test_referrers_are_attached_discovered_copied_and_deleted(oras: Client, registry: Registry, tmp_path: Path) -> None:
    image, copy = registry.create("oras/subject"), registry.create("oras/subject-copy")
    write(oras.home, weights="0.1", sbom='{"spdxVersion": "SPDX-2.3"}', signature="of the sbom")
    oras("push", HTTP, "--artifact-type", MODEL, f"{image}:v1", "weights:text/plain")
    attached = oras("attach", HTTP, "--format", "json", "--artifact-type", SBOM, f"{image}:v1", "sbom:text/plain")
    sbom = json.loads(attached)["reference"]
    oras("attach", HTTP, "--artifact-type", "application/x-signature", sbom, "signature:text/plain")
    tree = json.loads(oras("discover", HTTP, "--format", "json", f"{image}:v1"))
    assert [entry["artifactType"] for entry in tree["referrers"]] == [SBOM]
    assert [entry["artifactType"] for entry in tree["referrers"][0]["referrers"]] == ["application/x-signature"]
    of_type = ("discover", HTTP, "--format", "json", "--artifact-type", "application/x-other", f"{image}:v1")
    assert json.loads(oras(*of_type))["referrers"] == []
    oras("copy", "--recursive", "--from-plain-http", "--to-plain-http", f"{image}:v1", f"{copy}:v1")
    assert registry.digests("oras/subject-copy") == registry.digests("oras/subject")
    assert len(registry.digests("oras/subject")) == 3
    oras("backup", HTTP, "--include-referrers", "--output", tmp_path / "backup.tar", f"{copy}:v1")
    assert (tmp_path / "backup.tar").stat().st_size > 0
    oras("manifest", "delete", HTTP, "--force", sbom)
    assert json.loads(oras("discover", HTTP, "--format", "json", f"{image}:v1"))["referrers"] == []


def test_blobs_are_pushed_fetched_and_deleted(oras: Client, registry: Registry) -> None:
    image = registry.create("oras/blobs")
    write(oras.home, content="loose content")
    pushed = json.loads(oras("blob", "push", HTTP, "--descriptor", image, "content"))
    reference = f"{image}@{pushed['digest']}"
    assert oras("blob", "fetch", HTTP, "--output", "-", reference) == "loose content"
    oras("blob", "delete", HTTP, "--force", reference)
    assert "not found" in oras.refused("blob", "fetch", HTTP, "--output", "-", reference)
