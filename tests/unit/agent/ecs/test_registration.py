from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from roadstead.agent.ecs.identity import IdentityFile
from roadstead.agent.ecs.registration import Registration
from roadstead.agent.ecs.settings import EcsSettings

ARN = "arn:aws:ecs:eu-west-1:999999999999:container-instance/fargate/0123456789abcdef0123456789abcdef"


class Api:
    """Knows one instance."""

    async def call(self, _: str, __: str, ___: object, response: Any) -> Any:
        return msgspec.convert({"containerInstance": {"containerInstanceArn": ARN}}, response)


class Mute:
    """Registers, and the answer is lost every other time."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    async def call(self, _: str, __: str, request: Any, response: Any) -> Any:
        self.requests.append(request)
        if len(self.requests) % 2:
            raise ConnectionResetError
        return await Api().call(_, __, request, response)


async def test_an_agent_that_died_before_the_answer_registers_as_the_same_instance(tmp_path: Path):
    settings = EcsSettings(tmp_path, tmp_path, "fargate", "eu-west-1", 1024, 1024, "http://169.254.170.3")
    api = Mute()
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await Registration(cast("Any", api), settings, IdentityFile(tmp_path / "instance.json")).register()
        again = Registration(cast("Any", api), settings, IdentityFile(tmp_path / "instance.json"))
        await again.register()
        assert again.arn == ARN
        again.forget()
    first, same, other, other_same = (each["clientToken"] for each in api.requests)
    assert first == same != other == other_same


async def test_an_agent_that_is_what_it_was_registers_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    settings = EcsSettings(tmp_path, tmp_path, "fargate", "eu-west-1", 1024, 1024, "http://169.254.170.3")
    path = tmp_path / "instance.json"
    await Registration(cast("Any", Api()), settings, IdentityFile(path)).register()
    monkeypatch.setattr(Path, "write_bytes", refuse)
    anew = Registration(cast("Any", Api()), settings, IdentityFile(path))
    await anew.register()
    assert anew.arn == ARN
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            anew.forget()
