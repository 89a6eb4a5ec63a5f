"""The tasks controller: tasks follow their interfaces, and nobody waits for ever."""

from __future__ import annotations

from functools import partial

from roadstead.controllers.controller import Controller, Shard
from roadstead.services.ecs import api as ecs
from roadstead.services.hosts import api as hosts

INTERVAL = 5.0


async def reconcile(shard: Shard) -> None:
    """One pass: move on what the hosts have finished, end what waited too long, forget what stopped an hour ago."""
    async with shard.snapshot() as tx:
        settled = await ecs.settleable_tasks(tx)
        overdue = await ecs.overdue_tasks(tx)
    for arn in settled:
        await shard.run(partial(ecs.settle_task, arn=arn))
    for arn in overdue:
        await shard.run(partial(ecs.expire_task, arn=arn))
    async with shard.snapshot() as tx:
        old = await ecs.reapable(tx)
    while old:
        await shard.run(partial(ecs.reap, arns=old))
        async with shard.snapshot() as tx:
            old = await ecs.reapable(tx)


def tasks_controller() -> Controller:
    """Woken by tasks that change and by hosts that report."""
    return Controller("tasks", (ecs.TASK_TOPIC, hosts.STATUS_TOPIC), INTERVAL, reconcile)
