"""The public registry, whose only challenge is Bearer: who signs in pushes, everybody pulls."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.clients import Client, Registry
from tests.support.machine import Machine
from tests.support.movers import WAYS, Mover


@pytest.mark.parametrize("name", WAYS)
def test_who_signs_in_pushes_and_everybody_pulls(
    name: str, clients_machine: Machine, registry: Registry, layout: Path, tmp_path: Path
) -> None:
    image = f"{registry.create_public(f'open-{name}')}:v1"
    signed, stranger = (
        Mover(Client(name, tmp_path / who, clients_machine), registry.public_host) for who in ("signed", "stranger")
    )
    signed.sign_in(registry.public_password)
    signed.push(layout, image)
    stranger.pull(image, tmp_path / "pulled")
    stranger.is_refused(layout, f"{image}-of-a-stranger")
    tags = registry.server.client("ecr-public").describe_image_tags(repositoryName=f"open-{name}")["imageTagDetails"]
    assert [tag["imageTag"] for tag in tags] == ["v1"]


def test_docker(daemon: Machine, registry: Registry, archive: Path, tmp_path: Path) -> None:
    image = f"{registry.create_public('open-docker')}:v1"
    signed, stranger = (Client("docker", tmp_path / name, daemon) for name in ("signed", "stranger"))
    signed("login", "--username", "AWS", "--password-stdin", registry.public_host, stdin=registry.public_password)
    signed("load", "--quiet", "--input", archive)
    signed("tag", "web:1", image)
    stranger.refused("push", image)
    signed("push", image)
    signed("rmi", "--force", image)
    stranger("pull", image)
