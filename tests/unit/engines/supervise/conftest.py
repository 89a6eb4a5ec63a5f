"""The data directory of a supervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roadstead.engines.supervise.record import read_record
from roadstead.engines.supervise.survivors import end_survivors


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[Path]:
    """A data directory; whatever still runs on it in the end is stopped."""
    directory = tmp_path / "data"
    yield directory
    record = read_record(directory)
    if record is not None:
        await end_survivors(record.children)
