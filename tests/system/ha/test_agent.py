"""An agent that knows two servers: its links are real, its containers are played."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import statistics
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.played_agent import FAST, PlayedAgent, play_host
from tests.support.server_process import ServerProcess
from tests.support.waiting import until
from tests.system.ha.conftest import Pair

from roadstead.agent.client import ApiClient, FileCredentials, HostStream

pytestmark = [pytest.mark.system, pytest.mark.postgres]
LIFE_SECONDS = 15
PROMPT_SECONDS = 3.0
"""For most of several tasks: a wake-up by LISTEN and NOTIFY takes milliseconds; the poll behind it a second, the pass that sends again thirty."""
ROLE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


@contextlib.asynccontextmanager
async def played_agent(first: ServerProcess, second: ServerProcess, directory: Path) -> AsyncGenerator[PlayedAgent]:
    """An agent with the identity that `first` made, which turns to `second` while that is away."""
    source = FileCredentials(first.data / "agent.json")
    client = ApiClient(first.endpoint, "us-east-1", source, backoff=FAST, others=(second.endpoint,))
    async with client as api:
        stream = HostStream(api, source.identity().host_id)
        await stream.register(hostname="h", cpu=4096, memory=8192, boot_id="b", version="1")
        host = asyncio.create_task(play_host(stream))
        agent = PlayedAgent(source.identity().host_id, directory, api)
        await agent.start()
        try:
            yield agent
            assert agent.failure() is None
        finally:
            await agent.kill()
            host.cancel()
            await asyncio.gather(host, return_exceptions=True)


async def waits(question: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    return await asyncio.to_thread(until, question, what, seconds)


def linked_to(pair: Pair) -> str:
    """The server that the store says holds the agent's link, empty for none."""
    return pair.postgres.sql("SELECT agent_server FROM ecs_container_instances", pair.database)


def streams_to(pair: Pair) -> str:
    return pair.postgres.sql("SELECT server FROM hosts", pair.database)


def name_of(server: ServerProcess) -> str:
    return str(server.lines("listening")[-1]["name"])


def define(server: ServerProcess) -> None:
    """A task definition with a role, in a cluster."""
    arn = server.client("iam").create_role(RoleName="task", AssumeRolePolicyDocument=ROLE)["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:List*", "Resource": "*"}]}
    server.client("iam").put_role_policy(RoleName="task", PolicyName="p", PolicyDocument=json.dumps(document))
    ecs = server.client("ecs")
    ecs.create_cluster(clusterName="default")
    ecs.register_task_definition(
        family="web",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        taskRoleArn=arn,
        containerDefinitions=[{"name": "app", "image": "busybox", "essential": True}],
    )


def run_task(server: ServerProcess) -> str:
    subnet = server.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    answer = server.client("ecs").run_task(
        taskDefinition="web",
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )
    assert not answer["failures"]
    return str(answer["tasks"][0]["taskArn"])


def status(server: ServerProcess, arn: str) -> str:
    return str(server.client("ecs").describe_tasks(tasks=[arn])["tasks"][0]["lastStatus"])


async def test_a_task_of_either_server_reaches_the_agent_promptly(pair: Pair, tmp_path: Path):
    async with played_agent(pair.a, pair.b, tmp_path / "agent") as agent:
        await waits(lambda: linked_to(pair) == name_of(pair.a), "the agent is linked to the first server")
        await asyncio.to_thread(define, pair.b)
        took: list[float] = []
        for _ in range(5):
            began = time.monotonic()
            arn = await asyncio.to_thread(run_task, pair.b)
            await waits(lambda arn=arn: status(pair.b, arn) == "RUNNING", "running")
            took.append(time.monotonic() - began)
        assert statistics.median(took) < PROMPT_SECONDS, took
        assert len(agent.runtime.running()) == 5


async def test_a_session_of_one_server_is_good_on_the_other(pair: Pair, tmp_path: Path):
    async with played_agent(pair.a, pair.b, tmp_path / "agent") as agent:
        await waits(lambda: linked_to(pair) == name_of(pair.a), "the agent is linked to the first server")
        await asyncio.to_thread(define, pair.a)
        arn = await asyncio.to_thread(run_task, pair.a)
        await waits(lambda: status(pair.a, arn) == "RUNNING", "running")
        task = next(record.task for record in agent.engine.records() if record.task.arn == arn)
        session = task.role_credentials
        assert session is not None
        keys = (session.access_key_id, session.secret_access_key, session.session_token)
        for server in (pair.a, pair.b):
            who = await asyncio.to_thread(server.client("sts", keys).get_caller_identity)
            assert ":assumed-role/task/" in who["Arn"]
            await asyncio.to_thread(server.client("ecs", keys).list_clusters)


async def test_an_agent_moves_on_when_its_server_is_killed(pair: Pair, tmp_path: Path):
    async with played_agent(pair.a, pair.b, tmp_path / "agent") as agent:
        await waits(lambda: linked_to(pair) == name_of(pair.a), "the agent is linked to the first server")
        await asyncio.to_thread(define, pair.a)
        before = await asyncio.to_thread(run_task, pair.a)
        await waits(lambda: status(pair.b, before) == "RUNNING", "running")
        pair.a.kill()
        await waits(lambda: linked_to(pair) == name_of(pair.b), "the agent moved on", 10)
        await waits(lambda: streams_to(pair) == name_of(pair.b), "the host moved on", 10)
        assert pair.b.status("ready") == 200
        after = await asyncio.to_thread(run_task, pair.b)
        await waits(lambda: status(pair.b, after) == "RUNNING", "running", 60)
        assert len(agent.runtime.running()) == 2, "the first one was left alone"
        # Its sign of life is over before the controllers move; nothing that moved on may be taken for lost then.
        await waits(lambda: pair.holder("controller/links")[0] is pair.b, "the other clears links now", 40)
        await asyncio.to_thread(pair.b.client("ecs").stop_task, task=before)
        await waits(lambda: status(pair.b, before) == "STOPPED", "the controllers have moved too", 40)
        assert linked_to(pair) == streams_to(pair) == name_of(pair.b)


async def test_the_links_of_a_server_that_died_with_its_agents_are_cleared(pair: Pair, tmp_path: Path):
    async with played_agent(pair.a, pair.b, tmp_path / "agent"):
        await waits(lambda: linked_to(pair) == name_of(pair.a), "the agent is linked to the first server")
        await waits(lambda: pair.b.status("ready") == 200, "ready")
        pair.a.signal(signal.SIGSTOP)  # before the agent leaves, so that nobody can say that it does
    pair.a.kill()
    assert linked_to(pair) == name_of(pair.a), "a stale mark"
    await waits(lambda: pair.b.status("ready") == 503, "readiness does not believe the mark", LIFE_SECONDS + 2)
    await waits(lambda: linked_to(pair) == streams_to(pair) == "", "the marks are cleared", 60)


async def test_a_server_clears_its_own_marks_when_it_starts_again(pair: Pair, tmp_path: Path):
    async with played_agent(pair.a, pair.b, tmp_path / "agent"):
        await waits(lambda: linked_to(pair) == name_of(pair.a), "the agent is linked to the first server")
        pair.a.signal(signal.SIGSTOP)
    pair.a.kill()
    await asyncio.to_thread(pair.a.start)
    assert linked_to(pair) == ""
    assert streams_to(pair) == ""


async def test_a_server_that_was_taken_for_dead_asks_its_agents_to_connect_again(pair: Pair, tmp_path: Path):
    async with played_agent(pair.a, pair.b, tmp_path / "agent"):
        await waits(lambda: linked_to(pair) == streams_to(pair) == name_of(pair.a), "the agent is linked")
        pair.a.signal(signal.SIGSTOP)
        await waits(lambda: linked_to(pair) == streams_to(pair) == "", "its marks are cleared", 60)
        pair.a.signal(signal.SIGCONT)
        await waits(lambda: linked_to(pair) != "" and streams_to(pair) != "", "the agent is linked again", 20)
        assert pair.a.lines("others took this server for dead")


async def test_a_server_that_stops_lets_its_agents_go_in_order(pair: Pair, tmp_path: Path):
    async with played_agent(pair.a, pair.b, tmp_path / "agent"):
        await waits(lambda: linked_to(pair) == name_of(pair.a), "the agent is linked to the first server")
        began = time.monotonic()
        assert await asyncio.to_thread(pair.a.stop) == 0
        assert time.monotonic() - began < 10
        await waits(lambda: linked_to(pair) == name_of(pair.b), "the agent moved on", 10)
