from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from roadstead.engines.supervise.lock import AlreadySupervised, data_lock


async def test_a_living_holder_is_named_at_once(tmp_path: Path) -> None:
    async with data_lock(tmp_path / "data"):
        with pytest.raises(
            AlreadySupervised, match=rf"process {os.getpid()}; stop it with `roadstead down --data"
        ) as caught:
            async with data_lock(tmp_path / "data"):
                pass
        assert caught.value.pid == os.getpid()
    async with data_lock(tmp_path / "data"):
        pass


async def test_a_dead_holder_whose_child_still_has_the_lock_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").write_text('{"pid":1,"start_time":1}')  # init began later than that
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    monkeypatch.setattr("roadstead.engines.supervise.lock._LAST_BREATH_SECONDS", 0.05)
    with pytest.raises(AlreadySupervised, match="another process"):
        async with data_lock(tmp_path):
            pass
    os.close(descriptor)
    async with data_lock(tmp_path):
        pass
