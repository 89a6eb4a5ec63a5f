from __future__ import annotations

import asyncio
import socket

import pytest

from roadstead.agent.runtime import resolve as module
from roadstead.agent.runtime.errors import RegistryUnreachable
from roadstead.agent.runtime.reference import Reference
from roadstead.agent.runtime.resolve import Resolver

TASKS = 40
"""More than the threads that the loop has for everything, whatever the machine."""


async def test_a_registry_that_hangs_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_TIMEOUT", 3.0)
    with socket.create_server(("127.0.0.1", 0), backlog=TASKS) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        resolver = Resolver()
        asking = [asyncio.create_task(resolver.resolve(url, Reference.parse("web"), None)) for _ in range(TASKS)]
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(2):
                await asyncio.to_thread(bool)
        finally:
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            resolver.close()
    assert all(isinstance(outcome, RegistryUnreachable) for outcome in outcomes)
