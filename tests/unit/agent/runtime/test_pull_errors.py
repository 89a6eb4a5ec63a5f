"""What becomes of a pull that broke off: what passes is told from what stays."""

from __future__ import annotations

from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from tests.support.http_server import answering
from tests.support.ports import free_port

from roadstead.agent.runtime.client import Client, translate
from roadstead.agent.runtime.config import EnginePaths, RuntimeSettings
from roadstead.agent.runtime.errors import (
    CannotPullContainer,
    ContainerdUnavailable,
    NotFound,
    RegistryAway,
    RegistryUnreachable,
    RuntimeFault,
)
from roadstead.agent.runtime.images import Images
from roadstead.agent.runtime.resolve import Resolver

DIGEST = "sha256:" + "0" * 64
URL = f"http://127.0.0.1:4566/v2/web/blobs/{DIGEST}?ns=localhost%3A4566"
OPEN = "failed to copy: httpReadSeeker: failed open: "
EXTRACT = (
    f'failed to extract layer (application/vnd.oci.image.layer.v1.tar+gzip {DIGEST}) to overlayfs as "extract-1": '
)


class Engine:
    """A containerd whose transfers end in `error`, and which has nothing else."""

    def __init__(self, error: RuntimeFault) -> None:
        self._error = error

    async def call(self, path: str, *_: object) -> Any:
        raise self._error if path.endswith("/Transfer") else NotFound("not found")


async def pulled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: RuntimeFault) -> RuntimeFault:
    async def resolved(*_: object) -> str:
        return DIGEST

    monkeypatch.setattr(Resolver, "resolve", resolved)
    settings = RuntimeSettings(
        tmp_path / "data", Path("/run/s"), EnginePaths(*(Path("/e"),) * 3), "http://127.0.0.1:4566"
    )
    with pytest.raises(RuntimeFault) as caught, closing(Images(cast("Client", Engine(error)), settings)) as images:
        await images.ensure("localhost:4566/web:1", None)
    return caught.value


@pytest.mark.parametrize(
    "message",
    [
        f'{OPEN}failed to do request: Get "{URL}": dial tcp 127.0.0.1:4566: connect: connection refused',
        f'{OPEN}failed to do request: Get "{URL}": EOF',
        f'{OPEN}failed to do request: Get "{URL}": read tcp 127.0.0.1:51814->127.0.0.1:4566: read: connection reset by peer',
        f'{OPEN}failed to do request: Get "{URL}": http: server closed idle connection',
        f"{OPEN}unexpected status from GET request to {URL}: 503 Service Unavailable",
        f"{OPEN}unexpected status from GET request to {URL}: 500 Internal Server Error\nunknown: database is locked",
        f"{OPEN}unexpected status from GET request to {URL}: 429 Too Many Requests\ntoomanyrequests: slow down",
        "failed to copy: read tcp 127.0.0.1:51814->127.0.0.1:4566: read: connection reset by peer",
        "short read: expected 10485760 bytes but got 65536: unexpected EOF",
        f'failed to resolve image: failed to do request: Head "{URL}": dial tcp 127.0.0.1:4566: connect: connection refused',
        f"failed to resolve image: unexpected status from HEAD request to {URL}: 502 Bad Gateway",
    ],
)
async def test_a_server_that_dies_or_is_in_trouble_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, message: str
) -> None:
    error = await pulled(monkeypatch, tmp_path, translate(GRPCError(Status.UNKNOWN, message)))
    assert type(error) is RegistryUnreachable
    assert message in str(error)


async def test_a_server_that_is_silent_is_unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    message = f'{OPEN}failed to do request: Get "{URL}": net/http: timeout awaiting response headers'
    error = await pulled(monkeypatch, tmp_path, translate(GRPCError(Status.DEADLINE_EXCEEDED, message)))
    assert type(error) is RegistryUnreachable


@pytest.mark.parametrize(
    "error",
    [
        ContainerdUnavailable("/containerd.services.transfer.v1.Transfer/Transfer: Connection lost"),
        ContainerdUnavailable(
            "/containerd.services.transfer.v1.Transfer/Transfer: [Errno 104] Connection reset by peer"
        ),
        translate(GRPCError(Status.CANCELLED, "context canceled")),
    ],
)
async def test_a_containerd_that_dies_is_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: RuntimeFault
) -> None:
    assert await pulled(monkeypatch, tmp_path, error) is error


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (Status.NOT_FOUND, "failed to resolve image: localhost:4566/web@sha256:0: not found"),
        (
            Status.NOT_FOUND,
            f"{OPEN}could not fetch content descriptor {DIGEST} (application/json) from remote: not found",
        ),
        (Status.UNKNOWN, f"{OPEN}unexpected status from GET request to {URL}: 401 Unauthorized"),
        (
            Status.UNKNOWN,
            f"{OPEN}unexpected status from GET request to {URL}: 403 Forbidden\ndenied: key: connection refused",
        ),
        (
            Status.FAILED_PRECONDITION,
            f'failed commit on ref "layer-{DIGEST}": unexpected commit digest sha256:1, expected sha256:0: failed precondition',
        ),
        (Status.UNKNOWN, f"{EXTRACT}unexpected EOF"),
        (Status.UNKNOWN, f'wrong diff id "sha256:1" calculated on extraction "{DIGEST}", desc "{DIGEST}"'),
        (Status.INVALID_ARGUMENT, "schema 1 image manifests are no longer supported: invalid argument"),
        (Status.UNKNOWN, "unsupported Content-Encoding algorithm: br"),
        (Status.NOT_FOUND, "no match for platform in manifest: not found"),
    ],
)
async def test_a_refusal_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: Status, message: str) -> None:
    assert type(await pulled(monkeypatch, tmp_path, translate(GRPCError(status, message)))) is CannotPullContainer


class Registry(BaseHTTPRequestHandler):
    """Has nothing but trouble: its status, or no answer at all for 0."""

    status = 0

    def do_HEAD(self) -> None:
        if self.status:
            self.send_error(self.status)

    do_GET = do_HEAD  # noqa: N815 - the name that http.server calls

    def log_message(self, format: str, *args: object) -> None:
        pass


class Draining(Registry):
    status = 503


async def asked(tmp_path: Path, *registries: int) -> type[Exception]:
    first, *others = (f"http://127.0.0.1:{port}" for port in registries)
    engines = EnginePaths(*(Path("/e"),) * 3)
    settings = RuntimeSettings(tmp_path / "data", Path("/run/s"), engines, first, mirrors=tuple(others))
    with pytest.raises(CannotPullContainer) as caught, closing(Images(cast("Client", None), settings)) as images:
        await images.ensure("localhost:4566/web:1", None)
    return type(caught.value)


async def test_a_registry_is_away_when_none_of_its_servers_takes_the_connection(tmp_path: Path) -> None:
    gone = free_port(), free_port()
    assert await asked(tmp_path, gone[0]) is RegistryAway
    assert await asked(tmp_path, *gone) is RegistryAway
    with answering(Registry) as silent, answering(Draining) as draining:
        assert await asked(tmp_path, silent) is RegistryUnreachable
        for there in (silent, draining):
            assert await asked(tmp_path, gone[0], there) is RegistryUnreachable
            assert await asked(tmp_path, there, gone[0]) is RegistryUnreachable
