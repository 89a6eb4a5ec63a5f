"""A task that starts while the server is away: it waits, and only what others keep behind a server may end it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from tests.support.ports import free_port
from tests.support.waiting import reached

from roadstead.agent.client import ApiClient, Credentials, FixedCredentials
from roadstead.agent.client.retry import Backoff
from roadstead.agent.ecs import steps
from roadstead.agent.ecs.awslogs import AwsLogs
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.launch import read_task
from roadstead.agent.ecs.logs.shipper import Shipper
from roadstead.agent.ecs.output import OutputUnavailable
from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.agent.ecs.registry_auth import AuthorizationFailed, RegistryAuthenticator
from roadstead.agent.ecs.steps import StepFailed, Steps
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.errors import CannotPullContainer, RegistryAway, RegistryUnreachable
from roadstead.agent.runtime.model import Image, ImageConfig
from roadstead.core.taskengine.model import Desired
from roadstead.kernel.clock import SystemClock
from roadstead.wire.docker import ContainerConfig, HostConfig, LogConfig, write
from roadstead.wire.task import (
    Container,
    DockerConfig,
    ECRAuthData,
    IAMRoleCredentials,
    RegistryAuthenticationData,
    Task,
)

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/default/0123456789abcdef0123456789abcdef"
CONTAINER = Container(
    name="main",
    image="localhost:4566/web:1",
    docker_config=DockerConfig(
        config=write(ContainerConfig()),
        host_config=write(HostConfig(log_config=LogConfig(type="awslogs", config={"awslogs-group": "g"}))),
    ),
    registry_authentication=RegistryAuthenticationData(
        type="ecr", ecr_auth_data=ECRAuthData(region="r", registry_id="1", use_execution_role=True)
    ),
)
TASK = Task(arn=ARN, network_mode="none", containers=(CONTAINER,))
IMAGE = Image("localhost:4566/web:1", "sha256:1", "sha256:1", "", ImageConfig(), 1)


class Hasty(ApiClient):
    """For whom a second is 2 ms."""

    async def call(self, *given: Any, deadline: float = 60.0, **rest: Any) -> Any:
        return await super().call(*given, deadline=deadline / 500, **rest)


@contextlib.asynccontextmanager
async def answering(port: int, status: int) -> AsyncGenerator[None]:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        token = {"authorizationToken": "token", "expiresAt": SystemClock().now().timestamp() + 3600}
        return web.Response(status=status, body=json.dumps({"authorizationData": [token]}))

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


def credentials() -> CredentialStore:
    store = CredentialStore()
    store.put_execution(ARN, IAMRoleCredentials(role_arn="role", access_key_id="key", secret_access_key="s"))
    return store


async def sign_in(api: ApiClient, _: Path) -> None:
    assert await RegistryAuthenticator(api, credentials(), SystemClock()).header(TASK, CONTAINER) == "Basic token"


async def open_stream(api: ApiClient, directory: Path) -> None:
    output = AwsLogs(api, credentials(), Shipper(directory))
    try:
        await output.open(TASK, read_task(TASK)["main"], "main-1")
    finally:
        await output.aclose()


@pytest.mark.parametrize("step", [sign_in, open_stream])
async def test_a_server_that_is_away_is_waited_for(tmp_path: Path, step: Callable[[ApiClient, Path], Any]) -> None:
    port = free_port()
    keys = FixedCredentials(Credentials("AKIA", "secret"))
    loop = asyncio.get_running_loop()
    async with Hasty(f"http://127.0.0.1:{port}", "r", keys, backoff=Backoff(first=0.01, limit=0.02)) as api:
        waiting = asyncio.create_task(step(api, tmp_path))
        begun = loop.time()
        await reached(lambda: loop.time() > begun + 0.5, "what is four minutes here")
        assert not waiting.done()
        async with answering(port, 200):
            await waiting


@pytest.mark.parametrize(("step", "error"), [(sign_in, AuthorizationFailed), (open_stream, OutputUnavailable)])
async def test_a_server_that_has_nothing_behind_it_is_not(
    tmp_path: Path, step: Callable[[ApiClient, Path], Any], error: type[Exception]
) -> None:
    port = free_port()
    keys = FixedCredentials(Credentials("AKIA", "secret"))
    async with (
        answering(port, 503),
        Hasty(f"http://127.0.0.1:{port}", "r", keys, backoff=Backoff(first=0.01, limit=0.02)) as api,
    ):
        with pytest.raises(error, match=r"no answer in 0\.24 s"):
            await step(api, tmp_path)


class Machine:
    """The runtime, the output and the registry's tokens: an image is had when `troubles` are over."""

    def __init__(self, *troubles: CannotPullContainer) -> None:
        self.troubles = list(troubles)
        self.no_output: OutputUnavailable | None = None
        self.pulls = 0
        self.settings = SimpleNamespace(files=Path("/nowhere"))
        self.runtime = self.output = self.registry = self

    async def header(self, *_: object) -> None: ...

    async def open(self, *_: object) -> None:
        if self.no_output is not None:
            raise self.no_output

    async def ensure_image(self, *_: object) -> Image:
        self.pulls += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return IMAGE


async def pull(machine: Machine) -> None:
    containers = {"main": ContainerRecord(name="main")}
    record = TaskRecord(task=TASK, desired=Desired.RUNNING, containers=containers, received_at=0.0)
    await Steps(cast("Tools", machine), record, read_task(TASK)).pull("main")
    assert record.containers["main"].image_digest == "sha256:1"


async def test_a_pull_waits_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "UNCONNECTED", 0.0)
    machine = Machine(*[RegistryAway("refused")] * 100)
    await pull(machine)
    assert machine.pulls == 101


async def test_a_task_whose_output_can_go_nowhere_does_not_wait_for_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "UNCONNECTED", 0.01)
    machine = Machine(*[RegistryAway("refused")] * 10_000)
    machine.no_output = OutputUnavailable("no such group")
    with pytest.raises(StepFailed, match="no such group"):
        async with asyncio.timeout(5):
            await pull(machine)


async def test_a_registry_that_fails_is_given_two_minutes_that_the_server_takes_no_part_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0

    def is_over(patience: steps.Patience, _: float) -> bool:
        nonlocal now
        now += 50.0
        return counted(patience, now)

    counted = steps.Patience.is_over
    monkeypatch.setattr(steps, "UNCONNECTED", 0.0)
    monkeypatch.setattr(steps.Patience, "is_over", is_over)
    monkeypatch.setattr(steps, "_REGISTRY_FAILS", Backoff(first=0.0, limit=0.0))
    fails, away = RegistryUnreachable("503"), RegistryAway("refused")
    await pull(Machine(fails, fails, fails, away, fails, fails, fails))
    machine = Machine(*[fails] * 5)
    with pytest.raises(StepFailed, match="503"):
        await pull(machine)
    assert machine.pulls == 4, "at 0, 50, 100 and 150 seconds"
