"""When something last happened, for things that happen too often to be written each time: gathered, and written together now and then."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from roadstead.store.base import Store
from roadstead.store.transaction import Transaction

PRECISION = timedelta(minutes=15)
"""What happens again this soon after it was last noted is not noted."""

K = TypeVar("K", bound=Hashable)
Write = Callable[[Transaction, Mapping[K, datetime]], Awaitable[None]]


class Moments(Generic[K]):
    """Times by what happened, in memory until `write` takes them; what a crash loses is a time. It remembers so many as `remembered`."""

    interval_seconds = 5.0

    def __init__(self, store: Store, write: Write[K], *, what: str, remembered: int) -> None:
        self._store = store
        self._write = write
        self.what = what
        self._remembered = remembered
        self._noted: OrderedDict[K, datetime] = OrderedDict()
        self._pending: dict[K, datetime] = {}

    def note(self, key: K, now: datetime) -> None:
        """It happened now."""
        last = self._noted.get(key)
        if last is not None and timedelta(0) <= now - last < PRECISION:
            return
        self._noted[key] = self._pending[key] = now
        if len(self._noted) > self._remembered:
            self._noted.popitem(last=False)

    async def flush(self) -> int:
        """Write what was gathered; returns how many. When that fails, it is kept for the next time."""
        pending, self._pending = self._pending, {}
        if not pending:
            return 0

        async def work(tx: Transaction) -> None:
            await self._write(tx, pending)

        try:
            await self._store.run(work)
        except BaseException:
            self._pending = {**pending, **self._pending}
            raise
        return len(pending)
