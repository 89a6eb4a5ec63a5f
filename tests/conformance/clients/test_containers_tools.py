"""buildah and podman (containers/image), with skopeo for what they leave out: copying and deleting at the registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clients import Client, Registry
from tests.support.machine import Machine

PLAIN = "--tls-verify=false"


@pytest.fixture
def tools(clients_machine: Machine, registry: Registry, tmp_path: Path) -> Callable[[str], Client]:
    """These tools, with one storage and one login among them."""
    home, storage = tmp_path / "home", tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/storage"\n')
    environment = {"CONTAINERS_STORAGE_CONF": str(storage), "BUILDAH_ISOLATION": "chroot"}

    def tool(name: str) -> Client:
        return Client(name, home, clients_machine, environment)

    login = ("login", PLAIN, "--authfile", home / "auth.json", "--username", "AWS", "--password-stdin", registry.host)
    tool("podman")(*login, stdin=registry.password)
    return tool


def test_buildah_builds_pushes_and_pulls(
    tools: Callable[[str], Client], registry: Registry, layout: Path, tmp_path: Path
) -> None:
    buildah, image = tools("buildah"), registry.create("buildah/web")
    (tmp_path / "Containerfile").write_text(f"FROM oci:{layout}:web\nCOPY page.html /www/\nLABEL made=here\n")
    (tmp_path / "page.html").write_text("<p>built")
    buildah("bud", "--quiet", "--file", tmp_path / "Containerfile", "--tag", f"{image}:v1", tmp_path)
    buildah("push", PLAIN, "--digestfile", tmp_path / "digest", f"{image}:v1")
    digest = (tmp_path / "digest").read_text()
    assert registry.images("buildah/web") == {"v1": digest}
    buildah("push", PLAIN, "--format", "v2s2", f"{image}:v1", f"docker://{image}:docker")
    buildah("rmi", "--all", "--force")
    buildah("pull", "--quiet", PLAIN, f"{image}@{digest}")
    inspected = json.loads(buildah("inspect", "--type", "image", f"{image}@{digest}"))
    assert inspected["OCIv1"]["config"]["Labels"]["made"] == "here"


def test_podman_pushes_lists_and_pulls(
    tools: Callable[[str], Client], registry: Registry, layout: Path, tmp_path: Path
) -> None:
    podman, skopeo = tools("podman"), tools("skopeo")
    image, copy = registry.create("podman/web"), registry.create("podman/copy")
    podman("pull", "--quiet", f"oci:{layout}:web")
    (listed,) = json.loads(podman("images", "--format", "json"))
    for tag, more in (("v1", ()), ("zstd", ("--compression-format", "zstd", "--format", "oci"))):
        podman("push", PLAIN, *more, listed["Id"], f"{image}:{tag}")
    (found,) = json.loads(podman("search", PLAIN, "--list-tags", "--format", "json", image))
    assert found["Tags"] == ["v1", "zstd"]
    podman("rmi", "--all", "--force")
    podman("pull", "--quiet", PLAIN, f"{image}:zstd")
    assert listed["Id"] in podman("images", "--no-trunc", "--quiet")

    skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"docker://{image}:v1", f"docker://{copy}:v1")
    digest = registry.images("podman/web")["v1"]
    assert registry.images("podman/copy") == {"v1": digest}
    skopeo("delete", PLAIN, f"docker://{image}:v1")
    assert digest not in registry.digests("podman/web")
    told = podman.refused("pull", "--quiet", PLAIN, f"{image}:v1")
    assert "manifest unknown" in told


def test_podman_pushes_a_manifest_list(
    tools: Callable[[str], Client], registry: Registry, platforms: dict[str, Path]
) -> None:
    podman, image = tools("podman"), registry.create("podman/all")
    podman("manifest", "create", "all")
    for folder in platforms.values():
        podman("manifest", "add", "all", f"oci:{folder}:web")
    podman("manifest", "push", PLAIN, "--all", "all", f"docker://{image}:all")
    podman("manifest", "rm", "all")
    inspected = json.loads(tools("skopeo")("inspect", PLAIN, "--raw", f"docker://{image}:all"))
    assert {entry["platform"]["architecture"] for entry in inspected["manifests"]} == set(platforms)
    podman("pull", "--quiet", PLAIN, "--arch", "arm64", f"{image}:all")
    assert len(registry.digests("podman/all")) == 3
    podman("logout", registry.host)
    assert "unauthorized" in podman.refused("pull", "--quiet", PLAIN, f"{image}:all")
