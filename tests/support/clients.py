"""Real registry clients, as programs of their own users, and the server that they are tried on.

Go clients are built once into the engines' cache; others are packages that `tools/setup` installs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from tests.support.machine import Machine
from tests.support.server_process import ServerProcess

from roadstead.engines.catalog import Catalog

ACCOUNT, REGION = "000000000000", "us-east-1"
PRIVATE_NAME = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
PUBLIC_NAME = "public.ecr.localhost"
NAMES = {
    PRIVATE_NAME: "127.0.0.1",
    PUBLIC_NAME: "127.0.0.1",
    "public.ecr.aws": "127.0.0.1",
    f"{ACCOUNT}.dkr.ecr.{REGION}.localhost": "127.0.0.1",
    f"{ACCOUNT}.dkr.ecr.eu-west-1.localhost": "127.0.0.1",
}
"""Names of registries, which plain Debian does not resolve."""
BUILD_SECONDS = 1500
"""Of tests that may have to build a client first, or to wait for another worker that does."""

_ENGINES = {
    "crane": "crane",
    "regctl": "regctl",
    "oras": "oras",
    "helm": "helm",
    "docker-credential-ecr-login": "ecr-login",
}


@lru_cache
def program(name: str) -> Path:
    """Where a client is; it is built when it is one of those that we build. Raises FileNotFoundError."""
    engine = _ENGINES.get(name)
    if engine is not None:
        return asyncio.run(Catalog.load().ensure([engine]))[engine].path(name)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: tools/setup installs its package")
    return Path(found)


@dataclass(frozen=True, slots=True)
class Client:
    """One client with a home of its own, in which it finds and keeps its settings."""

    name: str
    home: Path
    machine: Machine
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    def __call__(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run it; its standard output. Fails with all that it said when it does."""
        done = self._run(arguments, stdin)
        told = f"{self.name} {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, told
        return done.stdout

    def refused(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run what must fail; all that it said."""
        done = self._run(arguments, stdin)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr

    def _run(self, arguments: tuple[str | Path, ...], stdin: str | None) -> subprocess.CompletedProcess[str]:
        self.home.mkdir(parents=True, exist_ok=True)
        settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "DOCKER_CONFIG": str(self.home / ".docker"),
            "REGISTRY_AUTH_FILE": str(self.home / "auth.json"),
            "XDG_RUNTIME_DIR": str(self.home),
            "TMPDIR": str(self.home),
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.environment,
        }
        command = [str(program(self.name)), *map(str, arguments)]
        return self.machine.run(command, self.home, env=settings, input=stdin or "")


@dataclass(frozen=True, slots=True)
class Registry:
    """A server with its account's private registry and its public one, and passwords for them as the aws CLI fetches them."""

    server: ServerProcess
    password: str = field(repr=False)
    public_password: str = field(repr=False)
    alias: str

    @property
    def host(self) -> str:
        """The private registry of the server's own account and region."""
        return f"127.0.0.1:{self.server.port}"

    @property
    def public_host(self) -> str:
        """The public registry."""
        return f"{PUBLIC_NAME}:{self.server.port}"

    def create(self, name: str, region: str = REGION) -> str:
        """Make a private repository; its reference."""
        self.server.client("ecr", region=region).create_repository(repositoryName=name)
        host = self.host if region == REGION else f"{ACCOUNT}.dkr.ecr.{region}.localhost:{self.server.port}"
        return f"{host}/{name}"

    def create_public(self, name: str) -> str:
        """Make a public repository; its reference."""
        self.server.client("ecr-public").create_repository(repositoryName=name)
        return f"{self.public_host}/{self.alias}/{name}"

    def images(self, name: str) -> dict[str, str]:
        """The digests in a private repository by their tags, as the API tells them."""
        found = self.server.client("ecr").list_images(repositoryName=name, filter={"tagStatus": "TAGGED"})["imageIds"]
        return {image["imageTag"]: image["imageDigest"] for image in found}

    def digests(self, name: str) -> set[str]:
        """Every digest in a private repository, tagged or not."""
        found = self.server.client("ecr").list_images(repositoryName=name)["imageIds"]
        return {image["imageDigest"] for image in found}


def running_server(server: ServerProcess) -> Registry:
    """What a server that is started is to clients."""
    password = aws(server, "ecr", "get-login-password")
    public = aws(server, "ecr-public", "get-login-password")
    registries = server.client("ecr-public").describe_registries()["registries"]
    return Registry(server, password, public, registries[0]["aliases"][0]["name"])


def aws(server: ServerProcess, *arguments: str) -> str:
    """What the aws CLI prints, as the server's administrator."""
    command = [str(Path(sys.executable).with_name("aws")), *arguments]
    done = subprocess.run(command, env=aws_environment(server), capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def aws_environment(server: ServerProcess) -> dict[str, str]:
    """The variables by which AWS's SDKs find the server and are its administrator."""
    keys = server.credentials()
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": keys["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["secretAccessKey"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }
