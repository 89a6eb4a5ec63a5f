"""Archives between `roadstead image` and the programs whose formats they have: Docker and podman."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clients import Client, Registry
from tests.support.machine import Machine

SECONDS = 120


@pytest.fixture
def image(registry: Registry, tmp_path: Path) -> Callable[..., str]:
    """`roadstead image` as the administrator of the server."""
    stored = registry.server.credentials()
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": registry.server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": stored["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": stored["secretAccessKey"],
    }

    def run(*arguments: str | Path) -> str:
        command = [sys.executable, "-m", "roadstead", "image", *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def docker(daemon: Machine, tmp_path: Path) -> Client:
    return Client("docker", tmp_path / "home", daemon)


@pytest.fixture
def podman(clients_machine: Machine, tmp_path: Path) -> Client:
    storage = tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/storage"\n')
    return Client("podman", tmp_path / "home", clients_machine, {"CONTAINERS_STORAGE_CONF": str(storage)})


def _there_and_back(
    program: Client, image: Callable[..., str], registry: Registry, layout: Path, tmp_path: Path
) -> None:
    """What is exported is loaded, and what is saved is imported; the image's identity, its config's digest, stays what it is."""
    name, exported, saved = f"archives/{program.name}", tmp_path / "exported.tar", tmp_path / "saved.tar"
    image("import", layout, f"{name}:v1", "--create")
    image("export", f"{name}:v1", "--output", exported, "--format", "docker-archive")
    loaded = program("load", "--input", exported).strip().rpartition(" ")[2]
    identity = program("image", "inspect", "--format", "{{.Id}}", loaded).strip().removeprefix("sha256:")

    program("tag", loaded, "example.com/saved:v2")
    program("save", "--output", saved, "example.com/saved:v2")
    image("import", saved, f"{name}:v2")
    assert set(registry.images(name)) == {"v1", "v2"}
    program("rmi", "--force", identity)
    image("export", f"{name}:v2", "--output", tmp_path / "again.tar", "--format", "docker-archive")
    again = program("load", "--input", tmp_path / "again.tar").strip().rpartition(" ")[2]
    assert program("image", "inspect", "--format", "{{.Id}}", again).strip().removeprefix("sha256:") == identity
    program("rmi", "--force", identity)


def test_docker_loads_what_is_exported_and_saves_what_is_imported(
    docker: Client, image: Callable[..., str], registry: Registry, layout: Path, tmp_path: Path
) -> None:
    _there_and_back(docker, image, registry, layout, tmp_path)


def test_podman_loads_what_is_exported_and_saves_what_is_imported(
    podman: Client, image: Callable[..., str], registry: Registry, layout: Path, tmp_path: Path
) -> None:
    _there_and_back(podman, image, registry, layout, tmp_path)
