"""A real S3 server for tests, versitygw on a directory and a port of its own.

tests/conftest.py imports the fixture `s3_server`, for all tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
import urllib.request
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from obstore.store import S3Store
from tests.support.namespaces import PlayedHost
from tests.support.ports import free_port

from roadstead.engines.catalog import Catalog

ENGINE = "versitygw"
ACCESS_KEY, SECRET_KEY = "upstreamkey", "upstreamsecret"
_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server: `log` has one line a request, as S3 writes access logs; buckets are directories below `root`."""

    port: int
    root: Path
    log: Path
    process: subprocess.Popen[bytes]
    domain: str | None = None

    @property
    def endpoint(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """A boto3 client of the server itself, as its administrator."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )


def make_bucket(server: S3Server, name: str) -> S3Store:
    """A new bucket, as a server of ours uses it."""
    server.client().create_bucket(Bucket=name)
    return open_bucket(server.endpoint, name)


def open_bucket(endpoint: str, name: str, secret_key: str = SECRET_KEY, prefix: str = "blobs/of us") -> S3Store:
    """A bucket that is there, as a server of ours uses it."""
    return S3Store(
        name,
        prefix=prefix,
        config={
            "endpoint": endpoint,
            "region": "us-east-1",
            "virtual_hosted_style_request": False,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": secret_key,
        },
        client_options={"allow_http": True, "connect_timeout": timedelta(seconds=2)},
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=2)},
    )


def s3_binary() -> Path:
    """The server's program, which is its own test client too; built when it is missing."""
    return asyncio.run(Catalog.load().ensure([ENGINE]))[ENGINE].path(ENGINE)


@contextlib.contextmanager
def running_s3(
    folder: Path, *, domain: str | None = None, region: str = "us-east-1", host: PlayedHost | None = None
) -> Generator[S3Server]:
    """Start a server that keeps its buckets below `folder`, and stop it at the end, on a played host if one is given.

    `domain` is that of virtual-host addressing.
    """
    binary = s3_binary()
    root, sidecar, log = folder / "buckets", folder / "metadata", folder / "access.log"
    for each in (root, sidecar):
        each.mkdir(parents=True)
    port = host.call(free_port) if host else free_port()
    command = [
        *("setpriv", "--pdeathsig", "KILL"),  # a test run that is killed takes its server along
        *(str(binary), "--port", f"127.0.0.1:{port}", "--health", "/health", "--keep-alive", "--quiet"),
        *("--region", region, "--access-log", str(log)),
        *(("--virtual-domain", domain) if domain else ()),
        *("posix", "--sidecar", str(sidecar), str(root)),
    ]
    environment = {**os.environ, "ROOT_ACCESS_KEY_ID": ACCESS_KEY, "ROOT_SECRET_ACCESS_KEY": SECRET_KEY}
    with (folder / "server.log").open("wb") as output:
        start = host.popen if host else subprocess.Popen[bytes]
        process = start(command, stdout=output, stderr=output, env=environment)
    try:
        ready = (process, port, folder / "server.log")
        host.call(_wait_until_healthy, *ready) if host else _wait_until_healthy(*ready)
        yield S3Server(port, root, log, process, domain)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running_again(server: S3Server, folder: Path) -> Generator[S3Server]:
    """The same server once more, after its process was killed; its output goes to a file in `folder`."""
    environment = {**os.environ, "ROOT_ACCESS_KEY_ID": ACCESS_KEY, "ROOT_SECRET_ACCESS_KEY": SECRET_KEY}
    log = folder / "again.log"
    with log.open("wb") as output:
        process = subprocess.Popen(server.process.args, stdout=output, stderr=output, env=environment)
    try:
        _wait_until_healthy(process, server.port, log)
        yield replace(server, process=process)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that the tests of a run share: each makes buckets of its own."""
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the S3 server did not start:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the S3 server was not healthy within {_START_SECONDS} s:\n{log.read_text()}")
