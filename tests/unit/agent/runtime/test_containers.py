"""What is asked of containerd about containers."""

from __future__ import annotations

import pytest
from tests.unit.agent.runtime.played_containerd import RUNS, Engine, Parts

from roadstead.agent.runtime.containers import Containers
from roadstead.agent.runtime.errors import ContainerdUnavailable
from roadstead.agent.runtime.model import ContainerState


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def containers(engine: Engine) -> Containers:
    return Parts(engine).containers


async def state(containers: Containers) -> ContainerState:
    """As the list of all says, and the question for one."""
    ((status, _),) = await containers.statuses()
    assert await containers.state_of("a") is status.state
    return status.state


async def test_what_the_list_leaves_out_is_asked_for_alone(engine: Engine, containers: Containers) -> None:
    engine.alone = RUNS
    assert await state(containers) is ContainerState.RUNNING


async def test_a_record_without_a_process_is_stopped(containers: Containers) -> None:
    assert await state(containers) is ContainerState.STOPPED


async def test_one_whose_shim_does_not_answer_has_not_ended(engine: Engine, containers: Containers) -> None:
    engine.alone = ContainerdUnavailable("context deadline exceeded")
    assert await state(containers) is ContainerState.RUNNING


async def test_a_containerd_that_is_away_is_no_shim_that_does_not_answer(
    engine: Engine, containers: Containers
) -> None:
    engine.alone, engine.away = ContainerdUnavailable("connection refused"), True
    with pytest.raises(ContainerdUnavailable):
        await containers.statuses()
    with pytest.raises(ContainerdUnavailable):
        await containers.state_of("a")
