"""An agent died between asking for a container's start and writing down that it runs: what the next one makes of what it finds."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.support.waiting import reached
from tests.unit.agent.ecs.resumed import AT, NAME, RESTARTED, TASK, UNREADABLE, Resumed, resumed

from roadstead.agent.ecs.container_events import VANISHED
from roadstead.agent.ecs.engine import Engine
from roadstead.agent.ecs.launch import runtime_id
from roadstead.agent.runtime.errors import (
    CannotCreateContainer,
    ContainerdUnavailable,
    RegistryAway,
)
from roadstead.agent.runtime.model import (
    LOST_EXIT_CODE,
    ContainerState,
    Isolation,
)
from roadstead.core.taskengine import states
from roadstead.core.taskengine.model import Resource
from roadstead.core.taskengine.resume import START_BROKEN_OFF

__all__ = ["resumed"]


async def test_what_is_left_of_a_start_that_nobody_saw_is_thrown_away_and_made_again(resumed: Resumed):
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    resumed.end(LOST_EXIT_CODE, lost=True)
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "remove", "create", "start"]


async def test_what_is_made_again_is_made_of_the_image_that_it_was_made_of(resumed: Resumed):
    digest = f"sha256:{'1' * 64}"
    resumed.container.image_digest = digest
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.images == [f"docker.io/library/web@{digest}"], "its tag may point to another one by now"


async def test_what_is_made_again_is_isolated_as_it_was(resumed: Resumed):
    assert resumed.tools.fargate_runtime() == "gvisor"
    resumed.runner.record.isolation = Isolation.RUNC
    resumed.runner.record.task = msgspec.structs.replace(TASK, launch_type="FARGATE")
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert [each.isolation for each in resumed.runtime.tasks] == [Isolation.RUNC]


async def test_what_waits_for_a_server_that_is_away_to_be_made_again_can_be_stopped(resumed: Resumed):
    resumed.runtime.no_image = RegistryAway("refused")
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    await reached(lambda: resumed.runtime.images, "the server was asked")
    resumed.runner.stop()
    await resumed.around.until("STOPPED")


@pytest.mark.parametrize("step", ["create", "start"])
async def test_what_containerd_never_answers_for_can_be_stopped(resumed: Resumed, step: str):
    def hang() -> None:
        raise ContainerdUnavailable("Stream reset by remote party")

    if step == "start":
        resumed.runtime.at_start = hang
    else:
        resumed.runtime.refusal = ContainerdUnavailable("Stream reset by remote party")
    resumed.find(ContainerState.STOPPED)
    resumed.run()
    await reached(lambda: resumed.runtime.calls.count(step) > 1, "it is tried again")
    resumed.runner.stop()
    change = await resumed.around.until("STOPPED")
    assert "Stream reset" in (change.containers[0].reason or "")
    await reached(lambda: resumed.runtime.calls[-1] == "remove", "what may have begun is taken away")


async def test_a_start_that_gvisor_broke_off_is_no_end_of_the_program(resumed: Resumed):
    resumed.find(ContainerState.STOPPED, START_BROKEN_OFF)
    resumed.run()
    resumed.end(START_BROKEN_OFF)
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "remove", "create", "start"]


async def test_a_container_that_gets_lost_after_it_was_found_is_made_again(resumed: Resumed):
    resumed.find(ContainerState.CREATED)
    resumed.end(LOST_EXIT_CODE, lost=True)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "remove", "create", "start"]


async def test_a_container_that_was_only_made_is_started(resumed: Resumed):
    resumed.find(ContainerState.CREATED)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "start"]


async def test_a_program_that_ran_and_ended_meanwhile_is_told_with_its_exit_code(resumed: Resumed):
    resumed.find(ContainerState.STOPPED, 7)
    resumed.run()
    await resumed.around.until("RUNNING")
    resumed.end(7)
    assert (await resumed.around.until("STOPPED")).containers[0].exit_code == 7
    assert "start" not in resumed.runtime.calls
    assert resumed.container.started_at == AT.timestamp()


async def test_what_ended_meanwhile_counts_from_when_it_was_made(resumed: Resumed):
    resumed.container.created_at = AT.timestamp() - 400
    resumed.find(ContainerState.STOPPED, 7)
    assert resumed.container.started_at == AT.timestamp() - 400


@pytest.mark.parametrize("resumed", [RESTARTED], indirect=True)
@pytest.mark.parametrize("found", [ContainerState.CREATED, ContainerState.RUNNING])
async def test_what_was_started_unseen_and_ended_soon_is_not_restarted(resumed: Resumed, found: ContainerState):
    resumed.container.started_at = AT.timestamp() - 1000  # of the attempt before
    resumed.container.created_at = AT.timestamp() - 5
    resumed.find(found)
    resumed.end(7)
    resumed.run()
    assert (await resumed.around.until("STOPPED")).containers[0].exit_code == 7
    assert resumed.container.started_at == AT.timestamp() - 5


async def test_what_the_restart_policy_replaces_is_taken_away_also_by_the_next_agent(resumed: Resumed):
    resumed.container.state, resumed.container.attempt = states.ContainerState.PULLED, 1
    resumed.find(ContainerState.STOPPED, 7)
    resumed.end(7)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert sorted(resumed.runtime.calls) == ["create", "remove", "sandbox", "start"]
    assert resumed.around.closed == [NAME]
    assert resumed.container.runtime_id == runtime_id(TASK, "main", 1)


async def test_a_program_that_runs_is_left_alone(resumed: Resumed):
    resumed.find(ContainerState.RUNNING)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox"]


@pytest.mark.parametrize("resumed", [UNREADABLE], indirect=True)
async def test_a_program_of_a_task_that_this_agent_takes_no_more_is_ended(resumed: Resumed):
    resumed.find(ContainerState.RUNNING)
    resumed.runtime.at_stop = lambda: resumed.end(143)
    resumed.run()
    assert (await resumed.around.until("STOPPED")).containers[0].exit_code == 143


@pytest.mark.parametrize("told", [True, False])
async def test_an_end_that_nobody_saw_is_the_same_whoever_finds_out(resumed: Resumed, *, told: bool):
    """Its process ran and is gone: known by the news that its shim is lost, or because the runtime has nothing of it."""
    resumed.container.state = states.ContainerState.RUNNING
    if told:
        resumed.find(ContainerState.STOPPED)
        resumed.end(LOST_EXIT_CODE, lost=True)
    else:
        resumed.runner.resume({})
    resumed.run()
    [container] = (await resumed.around.until("STOPPED")).containers
    assert (container.exit_code, container.reason) == (LOST_EXIT_CODE, VANISHED)


async def test_a_container_that_is_gone_after_its_stop_ended_unseen(resumed: Resumed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("roadstead.agent.ecs.container_events._EXIT_PATIENCE", 0.01)
    resumed.container.state = states.ContainerState.RUNNING
    resumed.find(ContainerState.RUNNING)
    resumed.run()
    resumed.runner.stop()
    [container] = (await resumed.around.until("STOPPED")).containers
    assert (container.exit_code, container.reason) == (LOST_EXIT_CODE, VANISHED)


async def test_the_end_of_an_attempt_that_was_broken_off_ends_nothing(resumed: Resumed):
    resumed.find(ContainerState.CREATED)
    resumed.runtime.at_start = lambda: resumed.end(START_BROKEN_OFF)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert resumed.runtime.calls == ["sandbox", "start", "watch again"]
    assert resumed.container.state is states.ContainerState.RUNNING


async def test_a_true_end_during_the_start_is_told_when_that_is_done(resumed: Resumed):
    resumed.find(ContainerState.CREATED)
    resumed.runtime.at_start = lambda: resumed.end(7)
    resumed.runtime.at_watch = lambda: resumed.end(7)
    resumed.run()
    await resumed.around.until("RUNNING")
    assert (await resumed.around.until("STOPPED")).containers[0].exit_code == 7


async def test_a_reason_that_no_file_can_hold_is_told_all_the_same(resumed: Resumed):
    resumed.find(ContainerState.STOPPED)
    resumed.runtime.refusal = CannotCreateContainer("unable to find user \ud800: no matching entries in passwd file")
    resumed.run()
    stopped = await resumed.around.until("STOPPED")
    assert stopped.containers[0].reason == (
        "CannotCreateContainerError: unable to find user ?: no matching entries in passwd file"
    )


async def test_a_network_is_freed_after_its_making_was_broken_off(resumed: Resumed):
    resumed.container.state, resumed.container.runtime_id = states.ContainerState.NONE, ""
    resumed.runner.record.network = Resource.MISSING
    resumed.runtime.no_image = RegistryAway("refused")
    resumed.run()
    await reached(lambda: resumed.around.network and resumed.runtime.images, "the network and the image are waited for")
    resumed.runner.stop()
    await reached(lambda: "freed" in resumed.around.network, "the network was freed")
    assert resumed.around.network == ["begun", "ended", "freed"]


async def test_a_long_reason_is_told_whole(resumed: Resumed):
    resumed.find(ContainerState.STOPPED)
    resumed.runtime.refusal = CannotCreateContainer(f"{'a' * 800}: because of this")
    resumed.run()
    stopped = await resumed.around.until("STOPPED")
    assert stopped.containers[0].reason.endswith(": because of this")


async def test_what_an_earlier_agent_left_and_nobody_can_remove_keeps_no_agent_from_working(resumed: Resumed):
    engine = Engine(resumed.tools)
    running = asyncio.create_task(engine.run())
    ready = asyncio.create_task(engine.ready())
    await asyncio.wait([running, ready], timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert not running.done()
    assert ready.done()
    running.cancel()
    await asyncio.wait([running])
