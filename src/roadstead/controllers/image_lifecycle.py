"""The image lifecycle controller: policies are carried out, previews filled in, archived images come back."""

from __future__ import annotations

from functools import partial

import structlog

from roadstead.controllers.controller import Controller, Shard
from roadstead.core.imagepolicy.document import InvalidLifecyclePolicy
from roadstead.core.imagepolicy.evaluate import Marked
from roadstead.services.ecr import api as ecr
from roadstead.store import Transaction

INTERVAL = 30.0
_log = structlog.get_logger("image-lifecycle")


async def reconcile(shard: Shard) -> None:
    """One pass: what was asked for first, then what is due."""
    while await shard.run(ecr.activate_images):
        pass
    await _preview(shard)
    while await _evaluate(shard):
        pass


async def _preview(shard: Shard) -> None:
    now = shard.store.clock.now()
    async with shard.snapshot() as tx:
        waiting = await ecr.waiting_previews(tx)
    for key, text in waiting:
        try:
            async with shard.snapshot() as tx:
                marked = await ecr.marked_images(tx, key, text, now)
        except InvalidLifecyclePolicy as error:
            _log.error("a policy can't be previewed", account=key.account, resource=str(key.arn), error=str(error))
            await shard.run(partial(ecr.fail_preview, key=key, text=text))
            continue
        await shard.run(partial(ecr.finish_preview, key=key, text=text, marked=marked))
    while await shard.run(partial(ecr.expire_previews, now=now)):
        pass


async def _evaluate(shard: Shard) -> bool:
    """Evaluate what is due; False when there was nothing."""
    now = shard.store.clock.now()
    async with shard.snapshot() as tx:
        due = await ecr.due_policies(tx, now)
    for each in due:
        try:
            async with shard.snapshot() as tx:
                marked = await ecr.marked_images(tx, each.key, each.text, now)
        except InvalidLifecyclePolicy as error:
            whose = {"account": each.key.account, "resource": str(each.key.arn)}
            _log.error("a policy can't be evaluated", **whose, error=str(error))
            await shard.run(partial(ecr.refuse_run, due=each, now=now, reason=str(error)))
            continue
        done = list[Marked]()
        for batch in ecr.batches(marked):
            done += await shard.run(partial(ecr.carry_out, due=each, marked=batch))
        await shard.run(partial(_finish, due=each, done=done))
        if done:
            _log.info("images moved on", account=each.key.account, resource=str(each.key.arn), count=len(done))
    return bool(due)


async def _finish(tx: Transaction, due: ecr.Due, done: list[Marked]) -> None:
    await ecr.finish_run(tx, due, tx.clock.now(), done)


def image_lifecycle_controller() -> Controller:
    """Woken by repositories that get a policy and images that are asked back; looks at the clock twice a minute."""
    return Controller("image-lifecycle", (ecr.REPOSITORY_TOPIC,), INTERVAL, reconcile)
