"""What runs beside the answering goes on, whatever it meets: a server lives for months."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from roadstead.server import liveness as liveness_module
from roadstead.server import work as work_module
from roadstead.server.liveness import Liveness
from roadstead.store import Store, Transaction, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await open_store(f"sqlite:///{tmp_path / 'db'}") as opened:
        await opened.create_all()
        yield opened


class Unlucky:
    """Fails as nobody expected, and then works."""

    what = "luck"
    interval_seconds = 0.0

    def __init__(self) -> None:
        self.worked = asyncio.Event()
        self._calls = 0

    def _call(self) -> None:
        self._calls += 1
        if self._calls == 1:
            raise RuntimeError("bad luck")
        self.worked.set()

    async def flush(self) -> int:
        self._call()
        return 0

    async def follow(self, tx: Transaction) -> None:
        self._call()

    async def reconnect(self) -> None:
        self._call()

    async def settle(self) -> None:
        self._call()


async def goes_on(task: asyncio.Task[None], unlucky: Unlucky) -> None:
    try:
        async with asyncio.timeout(10):
            await unlucky.worked.wait()
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_gathered_is_written_after_a_failure():
    unlucky = Unlucky()
    await goes_on(asyncio.create_task(work_module._write(unlucky)), unlucky)  # pyright: ignore


async def test_sealing_keys_are_read_after_a_failure(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(work_module, "_FOLLOW_SECONDS", 0.0)
    unlucky = Unlucky()
    await goes_on(asyncio.create_task(work_module._follow(store, unlucky)), unlucky)  # pyright: ignore


async def test_signs_of_life_go_on_after_a_failure(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(liveness_module, "LIFE", timedelta(seconds=1))
    monkeypatch.setattr(liveness_module, "_RETRY_SECONDS", 0.01)
    unlucky = Unlucky()
    async with Liveness(store, "host/a") as liveness:
        liveness.links = unlucky
        async with asyncio.timeout(10):
            await unlucky.worked.wait()
