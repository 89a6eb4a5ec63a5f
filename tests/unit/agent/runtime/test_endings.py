"""Containers that end, or are taken away, whatever their shim does."""

from __future__ import annotations

import pytest
from tests.unit.agent.runtime.played_containerd import RUNS, Engine, Parts

from roadstead.agent.runtime import endings as endings_module
from roadstead.agent.runtime.endings import Endings
from roadstead.agent.runtime.errors import ContainerdError, ContainerdUnavailable, NotFound


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def endings(engine: Engine) -> Endings:
    return Parts(engine).endings


async def test_a_shim_that_does_not_answer_is_killed_with_what_is_deleted(
    engine: Engine, endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(container_id: str, *_: object) -> bool:
        engine.alone = NotFound("its shim is gone")
        engine.calls.append(f"killed {container_id}")
        return True

    monkeypatch.setattr(endings_module, "kill_shim", killed)
    engine.alone = ContainerdUnavailable("context deadline exceeded")
    await endings.delete("a")
    assert engine.calls.index("killed a") < engine.calls.index("Tasks/Delete")
    engine.calls.clear()
    engine.alone, engine.deletion = RUNS, None
    await endings.delete("a")
    assert "killed a" not in engine.calls


async def test_a_shim_that_containerd_lost_is_killed_with_what_is_deleted(
    engine: Engine, endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be the one whose address the next shim of this container passes on, and never answers."""
    killed: list[str] = []
    monkeypatch.setattr(endings_module, "kill_shim", lambda container_id, *_: killed.append(container_id) or True)
    engine.alone = NotFound("containerd knows no such process")
    await endings.delete("a")
    assert killed == ["a"]
    assert "Containers/Delete" in engine.calls


async def test_a_deletion_that_never_ends_is_ended_with_its_shim(
    engine: Engine, endings: Endings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(container_id: str, *_: object) -> bool:
        engine.alone, engine.deletion = NotFound("its shim is gone"), ContainerdError("ttrpc: closed")
        engine.closed = 3
        return True

    monkeypatch.setattr(endings_module, "kill_shim", killed)
    engine.alone, engine.deletion = RUNS, ContainerdUnavailable("context deadline exceeded")
    monkeypatch.setattr(endings_module, "KILL_SECONDS", 0.5)
    await endings.delete("a")
    assert "Containers/Delete" in engine.calls
    engine.alone, engine.deletion, engine.away = RUNS, ContainerdUnavailable("connection refused"), True
    with pytest.raises(ContainerdUnavailable):
        await endings.delete("a")
