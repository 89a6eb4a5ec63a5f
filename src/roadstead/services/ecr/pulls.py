"""When images were last pulled. A pull writes nothing: times are gathered and written together, now and then."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta

import structlog
from sqlalchemy import update

from roadstead.kernel.clock import Clock
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.tables import images, within
from roadstead.store import Store, StoreError, Transaction

_log = structlog.stdlib.get_logger(__name__)

PRECISION = timedelta(minutes=15)
"""A pull this soon after the last recorded one is not recorded (AWS: within 24 hours)."""

INTERVAL_SECONDS = 5.0

_REMEMBERED = 20_000

_Image = tuple[RepositoryKey, str]


class PullRecorder:
    """Gathers pulls in memory; what a crash loses is a time, never an image. `run` writes them while the server lives."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._recorded: OrderedDict[_Image, datetime] = OrderedDict()
        self._pending: dict[_Image, datetime] = {}

    def pulled(self, key: RepositoryKey, digest: str) -> None:
        """Note that an image was pulled now."""
        now = self._clock.now()
        image = (key, digest)
        last = self._recorded.get(image)
        if last is not None and timedelta(0) <= now - last < PRECISION:
            return
        self._recorded[image] = now
        self._pending[image] = now
        if len(self._recorded) > _REMEMBERED:
            self._recorded.popitem(last=False)

    async def flush(self) -> int:
        """Write what was gathered; returns how many. When that fails, it is kept for the next time."""
        pending, self._pending = self._pending, {}
        if not pending:
            return 0

        async def write(tx: Transaction) -> None:
            for (key, digest), moment in pending.items():
                await tx.execute(
                    update(images).where(within(images, key), images.c.digest == digest).values(pulled_at=moment)
                )

        try:
            await self._store.run(write)
        except BaseException:
            self._pending = {**pending, **self._pending}
            raise
        return len(pending)

    async def run(self) -> None:
        """Flush every few seconds until cancelled; call `flush` once more before the store closes."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.flush()
            except StoreError as error:
                _log.warning("pull times are not written yet", error=str(error))
