"""Carrying lifecycle policies out: what is due, what a policy marks, and doing that. For a controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from roadstead.core.imagepolicy.document import parse_lifecycle_policy
from roadstead.core.imagepolicy.evaluate import Marked, evaluate
from roadstead.core.imagepolicy.rules import Action
from roadstead.services.ecr.content import activate_image, archive_image, delete_image
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.lifecycle_images import read_images
from roadstead.services.ecr.tables import images, repositories, within
from roadstead.store import Event, Transaction

TOPIC = "ecr.lifecycle"
INTERVAL = timedelta(hours=1)
"""How long after an evaluation the next one comes (AWS: within 24 hours)."""
_ANY_NUMBER_OF_RULES = 10_000
_AT_ONCE = 100
_DUE_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Due:
    """A repository whose policy is to be evaluated."""

    key: RepositoryKey
    text: str


async def due_policies(tx: Transaction, now: datetime) -> list[Due]:
    """The policies whose time has come, those that wait longest first; a time further off than INTERVAL is of a clock that was wrong."""
    place = (repositories.c.account, repositories.c.region, repositories.c.repository)
    due_at = repositories.c.lifecycle_due_at
    stmt = (
        select(*place, repositories.c.lifecycle_policy)
        .where(or_(due_at <= now, due_at > now + INTERVAL))
        .order_by(due_at)
        .limit(_DUE_AT_ONCE)
    )
    rows = (await tx.execute(stmt)).all()
    return [Due(RepositoryKey(row[0], row[1], row[2]), str(row[3])) for row in rows]


async def marked_images(tx: Transaction, key: RepositoryKey, text: str, now: datetime) -> list[Marked]:
    """What a policy expires or archives now; raises InvalidLifecyclePolicy (core.imagepolicy) for one that was valid only when it was put."""
    rules = parse_lifecycle_policy(text, max_rules=_ANY_NUMBER_OF_RULES)
    return evaluate(rules, await read_images(tx, key), now)


def batches(marked: Sequence[Marked]) -> list[Sequence[Marked]]:
    """The marked images in parts for one transaction each."""
    return [marked[start : start + _AT_ONCE] for start in range(0, len(marked), _AT_ONCE)]


async def carry_out(tx: Transaction, due: Due, marked: Sequence[Marked]) -> list[Marked]:
    """Expire and archive those of the images that are as they were when they were marked; returns them.

    Nothing is done once the policy is another one.
    """
    current = (await tx.execute(select(repositories.c.lifecycle_policy).where(within(repositories, due.key)))).scalar()
    if current != due.text:
        return []
    now = {image.digest: image for image in await read_images(tx, due.key, [each.image.digest for each in marked])}
    done = [each for each in marked if now.get(each.image.digest) == each.image]
    for each in done:
        why = {"by": "lifecycle-policy", "rulePriority": each.priority}
        match each.action:
            case Action.EXPIRE:
                await delete_image(tx, due.key, each.image.digest, **why)
            case Action.TRANSITION:
                await archive_image(tx, due.key, each.image.digest, **why)
    return done


async def finish(tx: Transaction, due: Due, now: datetime, done: Sequence[Marked]) -> None:
    """Note that a policy was evaluated, and tell what it did. After it did something it is due at once: lists let go of images."""
    again = now if done else now + INTERVAL
    changes = {"lifecycle_evaluated_at": now, "lifecycle_due_at": again}
    mine = (within(repositories, due.key), repositories.c.lifecycle_policy == due.text)
    written = await tx.execute(update(repositories).where(*mine).values(**changes))
    if written.rowcount and done:
        counts = {action.value: sum(each.action is action for each in done) for action in Action}
        payload = {"repository": due.key.name, "policy": due.text, **counts}
        tx.emit(Event(TOPIC, due.key.account, due.key.region, str(due.key.arn), payload))


async def refuse(tx: Transaction, due: Due, now: datetime, reason: str) -> None:
    """Note that a policy can't be evaluated, and tell why; it is tried again as if it had been."""
    mine = (within(repositories, due.key), repositories.c.lifecycle_policy == due.text)
    written = await tx.execute(update(repositories).where(*mine).values(lifecycle_due_at=now + INTERVAL))
    if written.rowcount:
        payload = {"repository": due.key.name, "policy": due.text, "failure": reason}
        tx.emit(Event(TOPIC, due.key.account, due.key.region, str(due.key.arn), payload))


async def activate_images(tx: Transaction) -> int:
    """Let the images that were asked back from the archive be pulled; returns how many."""
    place = (images.c.account, images.c.region, images.c.repository, images.c.digest)
    stmt = select(*place).where(images.c.status == "ACTIVATING").limit(_AT_ONCE)
    rows = (await tx.execute(stmt)).all()
    for account, region, repository, digest in rows:
        await activate_image(tx, RepositoryKey(account, region, repository), digest)
    return len(rows)
