from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.service.registry.harness import Harness, running_registry
from tests.support.store import store_url

__all__ = ["store_url"]


@pytest.fixture
async def registry(tmp_path: Path, store_url: str) -> AsyncGenerator[Harness]:
    """The registry on SQLite and again on PostgreSQL, unless a module says that one is enough."""
    async with running_registry(tmp_path, url=store_url) as harness:
        yield harness


@pytest.fixture
async def web(registry: Harness) -> Harness:
    await registry.create_repository("web")
    return registry
