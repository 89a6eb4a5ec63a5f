"""Both ends of the link against each other: from RunTask to STOPPED, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.waiting import reached
from tests.unit.agentlink.helpers import call, connected, described, eventually, reaches, run_task

from roadstead.agent.runtime.errors import ImageNotFound


async def test_a_task_runs_and_is_stopped_by_its_user(admin, agent):
    arn = await run_task(admin, agent, stopTimeout=7)
    task = await reaches(admin, arn, "RUNNING")
    assert task["containers"][0]["lastStatus"] == "RUNNING"
    assert task["containers"][0]["imageDigest"].startswith("sha256:")
    assert task["containers"][0]["runtimeId"] == agent.runtime.running()[0]
    await call(admin, "ecs", "StopTask", task=arn, reason="enough")
    task = await reaches(admin, arn, "DEPROVISIONING", "STOPPED")
    assert task["stopCode"] == "UserInitiated"
    assert task["containers"][0]["exitCode"] == 143
    assert agent.runtime.stopped[0][1:] == (15, 7.0)
    await eventually(lambda: nothing_left(agent), "the agent freed everything")


async def nothing_left(agent: Any) -> bool:
    return not agent.runtime.containers and not agent.runtime.tasks and not agent.networks.made


async def test_an_exit_ends_the_task_with_its_code(admin, agent):
    arn = await run_task(admin, agent)
    await reaches(admin, arn, "RUNNING")
    agent.runtime.end(agent.runtime.running()[0], 3)
    task = await reaches(admin, arn, "DEPROVISIONING", "STOPPED")
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["containers"][0]["exitCode"] == 3


async def test_out_of_memory_is_named(admin, agent):
    arn = await run_task(admin, agent)
    await reaches(admin, arn, "RUNNING")
    agent.runtime.end(agent.runtime.running()[0], 137, oom=True)
    task = await reaches(admin, arn, "DEPROVISIONING", "STOPPED")
    assert task["containers"][0]["reason"] == "OutOfMemoryError: Container killed due to memory usage"


async def test_a_missing_image_is_named(admin, agent):
    agent.runtime.images["nowhere:1"] = ImageNotFound("nowhere:1: not found")
    arn = await run_task(admin, agent, image="nowhere:1")
    task = await reaches(admin, arn, "DEPROVISIONING", "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError")
    assert task["containers"][0]["reason"] == "CannotPullContainerError: nowhere:1: not found"


async def test_a_task_that_is_stopped_while_it_pulls_never_runs(admin, agent):
    agent.runtime.pulling = asyncio.Event()
    arn = await run_task(admin, agent)
    await eventually(lambda: has_task(agent, arn), "the agent has the task")
    await call(admin, "ecs", "StopTask", task=arn)
    task = await reaches(admin, arn, "DEPROVISIONING", "STOPPED")
    assert "exitCode" not in task["containers"][0]
    assert agent.runtime.specs == {}


async def has_task(agent: Any, arn: str) -> bool:
    return any(record.task.arn == arn for record in agent.engine.records())


async def test_a_killed_agent_finds_its_containers_and_tells_what_happened_meanwhile(admin, agent):
    stays, ends = await run_task(admin, agent), await run_task(admin, agent)
    for arn in (stays, ends):
        await reaches(admin, arn, "RUNNING")
    await agent.kill()
    gone = next(each for each in agent.runtime.running() if each.startswith(ends.rpartition("/")[2]))
    agent.runtime.end(gone, 5)
    await agent.start()
    task = await reaches(admin, ends, "DEPROVISIONING", "STOPPED")
    assert task["containers"][0]["exitCode"] == 5
    assert (await described(admin, stays))["lastStatus"] == "RUNNING"
    assert len(agent.runtime.running()) == 1


async def test_a_container_that_vanished_is_told(admin, agent):
    arn = await run_task(admin, agent)
    await reaches(admin, arn, "RUNNING")
    await agent.kill()
    agent.runtime.containers.clear()
    await agent.start()
    task = await reaches(admin, arn, "DEPROVISIONING", "STOPPED")
    assert task["containers"][0]["reason"].startswith("ContainerVanishedError")


async def test_the_server_may_be_away_while_a_container_ends(admin, agent, server):
    arn = await run_task(admin, agent)
    await reaches(admin, arn, "RUNNING")
    await server.stop()
    agent.runtime.end(agent.runtime.running()[0], 9)
    await server.start()
    task = await reaches(admin, arn, "DEPROVISIONING", "STOPPED")
    assert task["containers"][0]["exitCode"] == 9


async def test_a_task_that_is_run_while_the_agent_is_away_reaches_it_later(admin, agent):
    await eventually(lambda: connected(agent), "the agent is connected")
    first = await run_task(admin, agent)
    await reaches(admin, first, "RUNNING")
    await agent.kill()
    await call(admin, "ecs", "StopTask", task=first)
    await agent.start()
    await reaches(admin, first, "DEPROVISIONING", "STOPPED")


async def test_the_images_of_tasks_that_are_here_are_kept(admin, agent):
    await agent.kill()
    agent.image_cleanup_interval = 0.02
    await agent.start()
    arn = await run_task(admin, agent)
    await reaches(admin, arn, "RUNNING")
    image = "docker.io/library/busybox@sha256:" + "0" * 64
    kept = agent.runtime.kept
    await reached(lambda: len(kept) > 1 and kept[-1] == ({image}, 3600.0), "its image is kept")
    await call(admin, "ecs", "StopTask", task=arn)
    await reaches(admin, arn, "DEPROVISIONING", "STOPPED")
    await reached(lambda: kept[-1] == (set(), 3600.0), "its image is not kept any more")


async def test_health_reaches_the_task(admin, agent):
    check = {"command": ["CMD-SHELL", "true"], "interval": 5, "retries": 1}
    arn = await run_task(admin, agent, healthCheck=check)
    await reaches(admin, arn, "RUNNING")

    async def healthy() -> bool:
        return (await described(admin, arn))["healthStatus"] == "HEALTHY"

    await eventually(healthy, "the task is healthy")


async def test_a_container_that_was_made_but_not_noted_is_made_anew(admin, agent):
    arn = await run_task(admin, agent)
    await reaches(admin, arn, "RUNNING")
    await agent.kill()
    path = agent.directory / "agent" / "tasks" / f"{arn.rpartition('/')[2]}.json"
    record = json.loads(path.read_text())
    record["containers"]["app"].update(state="PULLED", created_at=None, started_at=None)
    path.write_text(json.dumps(record))
    first = agent.runtime.running()[0]
    agent.runtime.rewind(first)
    await agent.start()
    await eventually(lambda: runs(agent, first), "the container runs again")


async def runs(agent: Any, identity: str) -> bool:
    return agent.runtime.running() == [identity]
