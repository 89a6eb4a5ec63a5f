"""The OCI distribution specification's own suite against the registry, optional parts and those of its next version included."""

from __future__ import annotations

import asyncio
import base64
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.service.registry.harness import running_registry
from tests.support.postgres import PostgresServer
from tests.support.s3 import ACCESS_KEY, SECRET_KEY, S3Server
from tests.support.server_process import server_process

from roadstead.engines.catalog import Catalog

SUITE = "oci-conformance"
SECONDS = 240.0
REPOSITORIES = ("conformance/repo1", "conformance/repo2")
PREFIX = "OCI Conformance Test/"

SKIPPED = {
    "sha256 blobs/mount anonymous/blob-mount-anonymous": "mounting without `from` is a MAY, and would tell who may not read "
    "the other repositories which blobs they hold",
    "sha512 blobs/mount anonymous/blob-mount-anonymous": "the same, by the other algorithm",
}
"""What the suite skips when we answer as the specification lets a registry without that feature answer, and why we do."""

SETTINGS = {
    "OCI_TLS": "disabled",
    "OCI_VERSION": "dev",  # 1.1, and what is merged since: cancelled uploads, digest headers required, tags as parameters
    # OCI_DATA_SPARSE is off, as in the suite's own defaults: a registry MAY refuse manifests whose parts are not there, ECR does.
    "OCI_DATA_SPARSE": "false",
}


@dataclass(frozen=True)
class Running:
    """A registry with the suite's repositories: where it listens, and the token that lets everything in."""

    port: int
    token: str


@pytest.fixture(params=["in process", "disk", "bucket"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running | None]:
    """A server process on PostgreSQL, with content on the disk and in a bucket; None where the registry is to be in this process."""
    if request.param == "in process":
        yield None
        return
    databases: PostgresServer = request.getfixturevalue("postgres_server")
    bucket = _in_bucket(request.getfixturevalue("s3_server")) if request.param == "bucket" else {}
    with _served(databases, tmp_path / "data", **bucket) as running:
        yield running


@pytest.fixture
async def registry(served: Running | None, tmp_path: Path) -> AsyncGenerator[Running]:
    """The registry on SQLite in this process, or what is served."""
    if served is not None:
        yield served
        return
    async with running_registry(tmp_path) as harness:
        for name in REPOSITORIES:
            await harness.create_repository(name)
        yield Running(harness.port, await harness.token())


@contextmanager
def _served(databases: PostgresServer, data: Path, **options: Any) -> Generator[Running]:
    name = databases.create_database()
    with server_process(data, database=databases.url(name), state=data.with_name("state"), **options) as server:
        server.start()
        ecr = server.client("ecr")
        for repository in REPOSITORIES:
            ecr.create_repository(repositoryName=repository)
        yield Running(server.port, ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"])
    databases.drop_database(name)


def _in_bucket(server: S3Server) -> dict[str, Any]:
    server.client().create_bucket(Bucket="conformance")
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_CONFIG_FILE": "/dev/null"}
    url = f"s3://conformance/registry?endpoint={server.endpoint}&region=us-east-1"
    return {"options": ("--blobs", url), "environment": keys}


async def test_every_test_of_the_specification_passes(registry: Running, tmp_path: Path) -> None:
    suite = (await Catalog.load().ensure([SUITE]))[SUITE].path(SUITE)
    output = await _run(suite, _environment(registry), tmp_path)
    report = tmp_path / "results" / "junit.xml"
    assert report.is_file(), output
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    outcomes = {str(case.get("name")).removeprefix(PREFIX): str(case.get("status")) for case in cases}
    faults = [_told(case) for case in cases if case.get("status") not in ("passed", "skipped")]
    assert not faults, "\n".join(faults)
    assert {name for name, status in outcomes.items() if status == "skipped"} == set(SKIPPED)
    assert len(cases) >= 780, "the suite ran less of itself than it has"


def _environment(registry: Running) -> dict[str, str]:
    user, _, password = base64.b64decode(registry.token).decode().partition(":")
    return {
        **SETTINGS,
        "OCI_REGISTRY": f"127.0.0.1:{registry.port}",
        "OCI_REPO1": REPOSITORIES[0],
        "OCI_REPO2": REPOSITORIES[1],
        "OCI_USERNAME": user,
        "OCI_PASSWORD": password,
        "OCI_RESULTS_DIR": "results",
    }


async def _run(suite: Path, environment: dict[str, str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        suite, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode(errors="replace")


def _told(case: ElementTree.Element) -> str:
    return f"{case.get('name')}: {case.findtext('system-out')}\n{(case.findtext('system-err') or '')[-3000:]}"
