"""The image lifecycle controller: policies are carried out, previews filled in, archived images come back."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog

from roadstead.controllers.controller import Controller, Shard
from roadstead.core.imagepolicy.document import InvalidLifecyclePolicy
from roadstead.core.imagepolicy.evaluate import Marked
from roadstead.services.ecr import api as ecr
from roadstead.store import StoreError, Transaction

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
        with _alone(key, "a policy can't be previewed") as outcome:
            async with shard.snapshot() as tx:
                marked = await ecr.marked_images(tx, key, text, now)
            await shard.run(partial(ecr.finish_preview, key=key, text=text, marked=marked))
        if outcome.failure is not None:
            await shard.run(partial(ecr.fail_preview, key=key, text=text))
    while await shard.run(partial(ecr.expire_previews, now=now)):
        pass


async def _evaluate(shard: Shard) -> bool:
    """Evaluate what is due; False when there was nothing."""
    now = shard.store.clock.now()
    async with shard.snapshot() as tx:
        due = await ecr.due_policies(tx, now)
    for each in due:
        with _alone(each.key, "a policy can't be evaluated") as outcome:
            await _carry_out(shard, each, now)
        if outcome.failure is not None:
            await shard.run(partial(ecr.refuse_run, due=each, now=now, reason=outcome.failure))
    return bool(due)


async def _carry_out(shard: Shard, due: ecr.Due, now: datetime) -> None:
    async with shard.snapshot() as tx:
        marked = await ecr.marked_images(tx, due.key, due.text, now)
    done = list[Marked]()
    for batch in ecr.batches(marked):
        done += await shard.run(partial(ecr.carry_out, due=due, marked=batch))
    await shard.run(partial(_finish, due=due, done=done))
    if done:
        _log.info("images moved on", account=due.key.account, resource=str(due.key.arn), count=len(done))


@dataclass(slots=True)
class _Outcome:
    """How the work on one repository ended; `failure` says why it did not succeed, for its owner."""

    failure: str | None = None


@contextmanager
def _alone(key: ecr.RepositoryKey, what: str) -> Generator[_Outcome]:
    """What fails in here stays with this repository, and is logged; not so what the store says, which is about every one."""
    outcome, whose = _Outcome(), {"account": key.account, "resource": str(key.arn)}
    try:
        yield outcome
    except StoreError:
        raise
    except InvalidLifecyclePolicy as error:
        outcome.failure = str(error)
        _log.error(what, **whose, error=str(error))
    except Exception as error:  # noqa: BLE001 - the fault of one policy must not keep the others from being carried out
        outcome.failure = f"the policy can't be evaluated ({type(error).__name__})"
        _log.exception(what, **whose)


async def _finish(tx: Transaction, due: ecr.Due, done: list[Marked]) -> None:
    await ecr.finish_run(tx, due, tx.clock.now(), done)


def image_lifecycle_controller() -> Controller:
    """Woken by repositories that get a policy and images that are asked back; looks at the clock twice a minute."""
    return Controller("image-lifecycle", (ecr.REPOSITORY_TOPIC,), INTERVAL, reconcile)
