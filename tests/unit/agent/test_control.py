from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from roadstead.agent.control import DrainFailed, answers, control_socket, request_drain


async def test_an_agent_says_that_it_is_healthy_also_while_it_drains(tmp_path: Path):
    path, draining, drained = tmp_path / "agent.sock", asyncio.Event(), asyncio.Event()

    async def drain() -> None:
        draining.set()
        await drained.wait()

    async with control_socket(path, drain), asyncio.timeout(30):
        assert await answers(path)
        asked = asyncio.create_task(request_drain(path, patience=1))
        await draining.wait()
        assert await answers(path)
        assert not asked.done()
        drained.set()
        await asked
    with pytest.raises(OSError, match="No such file"):
        await answers(path)


async def test_why_a_drain_failed_is_told(tmp_path: Path):
    async def drain() -> None:
        raise RuntimeError("one\nis left")

    async with control_socket(tmp_path / "agent.sock", drain):
        with pytest.raises(DrainFailed, match="failed: one is left"):
            await request_drain(tmp_path / "agent.sock", patience=1)


async def test_what_only_listens_is_not_healthy(tmp_path: Path):
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async with await asyncio.start_unix_server(hang_up, tmp_path / "other.sock"):
        assert not await answers(tmp_path / "other.sock")
