from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.ports import free_port

from roadstead.agent.control import control_socket
from roadstead.agent.runtime.config import EnginePaths, RuntimeSettings
from roadstead.cli import agent_health, processes
from roadstead.cli.settings import Config


async def nothing() -> None:
    """Drain nothing."""


async def test_the_health_of_the_agent_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    listen = f"127.0.0.1:{free_port()}"
    engine = tmp_path / "engine"
    settings = RuntimeSettings(
        data=tmp_path / "containerd",
        state=tmp_path / "run",
        tag="abcdef",
        registry=f"http://{listen}",
        engines=EnginePaths(containerd=engine, runc_shim=engine, runc=engine, pause=engine),
    )
    monkeypatch.setattr(agent_health, "agent_socket", lambda data: data / "agent.sock")
    agent = processes.specs(tmp_path, Config(listen=listen), settings)[-1]
    assert agent.name == processes.AGENT
    assert agent.health is not None
    with pytest.raises(OSError, match="No such file"):
        await agent.health()
    async with control_socket(tmp_path / "agent.sock", nothing):
        assert await agent.health()
        with pytest.raises(ConnectionRefusedError):
            await agent.check()
