from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.service.ecr.caches import Both, both_registries
from tests.service.registry.harness import Harness, running_registry
from tests.support.store import store_url

__all__ = ["store_url"]


@pytest.fixture
async def ecr(tmp_path: Path, store_url: str) -> AsyncGenerator[Harness]:
    """The ECR API beside a registry, on SQLite and again on PostgreSQL."""
    async with running_registry(tmp_path, url=store_url) as harness:
        yield harness


@pytest.fixture
async def both(tmp_path: Path, store_url: str) -> AsyncGenerator[Both]:
    """A registry that caches another one, on SQLite and again on PostgreSQL."""
    async with both_registries(tmp_path, store_url) as found:
        yield found
