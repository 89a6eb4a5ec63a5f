"""Amazon's credential helper for Docker and whoever reads Docker's settings: no `docker login`, the AWS credentials are enough.

It knows registries by AWS's own names, which lead here because the machine's /etc/hosts says so.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.clients import PRIVATE_NAME, PUBLIC_NAME, Client, Registry, aws_environment, program
from tests.support.machine import Machine

HELPER = "docker-credential-ecr-login"
PUBLIC = "public.ecr.aws"


def client_with_helper(name: str, home: Path, machine: Machine, registry: Registry) -> Client:
    """A client whose settings name the helper for AWS's registries, and whose environment has AWS credentials."""
    environment = aws_environment(registry.server)
    environment["PATH"] = f"{program(HELPER).parent}:{environment['PATH']}"
    client = Client(name, home, machine, environment)
    hosts = [f"{host}:{registry.server.port}" for host in (PRIVATE_NAME, PUBLIC)]
    settings = json.dumps({"credHelpers": dict.fromkeys(hosts, "ecr-login")})
    (home / ".docker").mkdir(parents=True)
    for path in (home / ".docker" / "config.json", home / "auth.json"):
        path.write_text(settings)
    return client


@pytest.fixture(params=["private", "public"])
def image(request: pytest.FixtureRequest, registry: Registry) -> str:
    """A repository by AWS's name for it."""
    name = request.node.name.partition("[")[0].replace("_", "-")
    if request.param == "private":
        return registry.create(name).replace("127.0.0.1", PRIVATE_NAME)
    return registry.create_public(name).replace(PUBLIC_NAME, PUBLIC)


def test_docker(daemon: Machine, registry: Registry, archive: Path, tmp_path: Path, image: str) -> None:
    docker = client_with_helper("docker", tmp_path / "home", daemon, registry)
    docker("load", "--quiet", "--input", archive)
    docker("tag", "web:1", f"{image}:v1")
    docker("push", f"{image}:v1")
    docker("pull", f"{image}:v1")


def test_crane(clients_machine: Machine, registry: Registry, layout: Path, tmp_path: Path, image: str) -> None:
    crane = client_with_helper("crane", tmp_path / "home", clients_machine, registry)
    crane("push", "--insecure", layout, f"{image}:v1")
    assert crane("ls", "--insecure", image).split() == ["v1"]


def test_skopeo(clients_machine: Machine, registry: Registry, layout: Path, tmp_path: Path, image: str) -> None:
    skopeo = client_with_helper("skopeo", tmp_path / "home", clients_machine, registry)
    skopeo("copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:web", f"docker://{image}:v1")
    assert json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{image}"))["Tags"] == ["v1"]


def test_names_that_it_does_not_know(clients_machine: Machine, registry: Registry, tmp_path: Path) -> None:
    helper = Client(HELPER, tmp_path / "home", clients_machine, aws_environment(registry.server))
    assert json.loads(helper("get", stdin=PRIVATE_NAME))["Username"] == "AWS"
    for host in (registry.host, f"000000000000.dkr.ecr.us-east-1.localhost:{registry.server.port}"):
        assert "credentials not found" in helper.refused("get", stdin=host)
