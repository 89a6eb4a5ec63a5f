"""What tests of tasks begin with."""

from __future__ import annotations

from typing import Any

from tests.support.context import Caller, Cloud
from tests.support.pool import FARGATE, Pool, awsvpc, start_pool


async def prepared(cloud: Cloud, **definition: Any) -> tuple[Caller, Pool]:
    user = cloud.caller()
    pool = await start_pool(cloud)
    await user.call("ecs:CreateCluster")
    await user.call("ecs:RegisterTaskDefinition", **{**FARGATE, **definition})
    return user, pool


async def run(user: Caller, **more: Any) -> dict[str, Any]:
    response = await user.call(
        "ecs:RunTask",
        taskDefinition="web",
        launchType="FARGATE",
        networkConfiguration=await awsvpc(user),
        **more,
    )
    assert not response["failures"]
    return response["tasks"][0]


async def describe(user: Caller, arn: str) -> dict[str, Any]:
    return (await user.call("ecs:DescribeTasks", tasks=[arn]))["tasks"][0]
