"""Blobs that clients fetch from the bucket themselves: each follows the redirect, and leaves its password behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.clients import Client, Registry, running_server
from tests.support.dockerd import own_image
from tests.support.machine import Machine
from tests.support.movers import WAYS, Mover
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server
from tests.support.server_process import server_process


@pytest.fixture(scope="session")
def presigning(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Iterator[Registry]:
    """A server whose content is in a bucket, which clients are sent to."""
    s3_server.client().create_bucket(Bucket="content")
    blobs = f"s3://content?endpoint=http://localhost:{s3_server.port}&region=us-east-1&reads=presigned"
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    folder = tmp_path_factory.mktemp("presigning")
    with server_process(folder / "data", options=("--blobs", blobs), environment=keys) as server:
        server.start()
        yield running_server(server)


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
@pytest.mark.parametrize("name", WAYS)
def test_clients_follow(
    name: str, public: bool, clients_machine: Machine, presigning: Registry, layout: Path, tmp_path: Path
) -> None:
    host = presigning.public_host if public else presigning.host
    create = presigning.create_public if public else presigning.create
    image = f"{create(f'redirected-{name}')}:v1"
    mover = Mover(Client(name, tmp_path / "home", clients_machine), host)
    mover.sign_in(presigning.public_password if public else presigning.password)
    mover.push(layout, image)
    mover.pull(image, tmp_path / "pulled")


def test_docker_follows(daemon: Machine, presigning: Registry, s3_server: S3Server, tmp_path: Path) -> None:
    image = f"{presigning.create('redirected-docker')}:v1"
    docker = Client("docker", tmp_path / "home", daemon, {"DOCKER_BUILDKIT": "0"})
    docker("login", "--username", "AWS", "--password-stdin", presigning.host, stdin=presigning.password)
    own_image(docker, image)
    docker("push", image)
    docker("rmi", "--force", image)
    docker("pull", image)
    assert re.search(r"X-Amz-Signature=\S+ 200 .* docker/", s3_server.log.read_text())
