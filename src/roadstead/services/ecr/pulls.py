"""When images were last pulled (AWS notes it within 24 hours; here it is within a quarter of one)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import update

from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import Clock
from roadstead.services.ecr.activity import ActivityRecorder
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.pull_exclusions import excluded_pullers
from roadstead.services.ecr.tables import images, within
from roadstead.store import Moments, Store, Transaction

_REMEMBERED = 20_000

_Pull = tuple[RepositoryKey, str, str]
"""A repository, the digest of an image, and the ARN of the user or role."""


class PullRecorder:
    """Gathers pulls in memory: a pull writes nothing. `moments` keeps the last time of each, `activity` how many there were."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._clock = clock
        self.activity = ActivityRecorder(store, clock)
        self.moments = Moments[_Pull](store, _write, what="pulls", remembered=_REMEMBERED)

    def pulled(self, key: RepositoryKey, digest: str, identity: Arn) -> None:
        """Note that a user or role pulled an image now."""
        self.activity.pulled(key)
        self.moments.note((key, digest, str(identity)), self._clock.now())


async def _write(tx: Transaction, pending: Mapping[_Pull, datetime]) -> None:
    pullers = {pull: (pull[0].account, pull[0].region, pull[2]) for pull in pending}
    excluded = await excluded_pullers(tx, pullers.values())
    pulls = {(pull[0], pull[1]): moment for pull, moment in pending.items() if pullers[pull] not in excluded}
    for (key, digest), moment in pulls.items():
        await tx.execute(update(images).where(within(images, key), images.c.digest == digest).values(pulled_at=moment))
