from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from roadstead.agent.runtime.client import Client, translate
from roadstead.agent.runtime.errors import ContainerdError, ContainerdUnavailable, FailedPrecondition, NotFound


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (Status.NOT_FOUND, "container x: not found", NotFound),
        (Status.FAILED_PRECONDITION, "process is running", FailedPrecondition),
        (Status.UNAVAILABLE, "connection error", ContainerdUnavailable),
        (Status.DEADLINE_EXCEEDED, "", ContainerdUnavailable),
        (Status.UNKNOWN, "context deadline exceeded", ContainerdUnavailable),
        (Status.UNKNOWN, "failed to wait: context canceled", ContainerdUnavailable),
        (Status.UNKNOWN, "exec: no such file or directory", ContainerdError),
        (Status.INTERNAL, "context deadline exceeded: unable to start container", ContainerdError),
    ],
)
def test_the_kind_of_an_error(status: Status, message: str, kind: type[Exception]) -> None:
    assert type(translate(GRPCError(status, message))) is kind


async def test_an_engine_that_dies_between_connecting_and_the_first_write_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "engine.sock"
    loop = asyncio.get_running_loop()
    connect = loop.create_unix_connection

    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()

        async def connected_and_left(factory: Callable[[], asyncio.Protocol], *args: Any, **options: Any) -> Any:
            def left() -> asyncio.Protocol:
                engine.close()
                return factory()

            return await connect(left, *args, **options)

        monkeypatch.setattr(loop, "create_unix_connection", connected_and_left)
        client = Client(path, "test")
        with pytest.raises(ContainerdUnavailable, match="ended as it was made"):
            await client.call("/a.Service/Method", Empty(), Empty)
        await client.close()
