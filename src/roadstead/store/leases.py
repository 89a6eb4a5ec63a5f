"""Who runs a piece of background work, decided in the database.

A lease row has a fence: a number that grows each time the lease changes hands and never falls. Work done under a lease calls
`guard` in its own transaction, so what a former holder still has in hand fails instead of overwriting the new holder's work.
The times in a row only decide how soon another may take over; that writes are right rests on the fence alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Row, String, Table, and_, insert, select, update

from roadstead.kernel.clock import Clock
from roadstead.store.base import Store
from roadstead.store.columns import Timestamp, from_microseconds
from roadstead.store.errors import StoreError
from roadstead.store.metadata import metadata
from roadstead.store.transaction import Transaction

leases = Table(
    "leases",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("renewals", BigInteger, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
)
"""Rows stay when leases are released, because their fences must go on growing."""

_LONG_AGO = from_microseconds(0)
_LeaseRow = Row[Any, Any, Any, Any]


class StaleLease(StoreError):
    """Somebody else has taken the lease over."""


class Lease:
    """A lease that was acquired. It stays good until somebody else takes it, which they may once it has expired."""

    def __init__(self, store: Store, name: str, fence: int, ttl: timedelta, acquired: float) -> None:
        self.name = name
        self.fence = fence
        """Grows with each change of hands."""
        self.ttl = ttl
        self._store = store
        self._deadline = acquired + ttl.total_seconds()

    @property
    def expired(self) -> bool:
        """Whether others may have taken over by now, by the monotonic clock of this process: jumps of wall time don't matter."""
        return self._store.clock.monotonic() >= self._deadline

    async def renew(self) -> None:
        """Extend by the ttl from now; raises StaleLease when somebody else holds it."""
        started = self._store.clock.monotonic()

        async def work(tx: Transaction) -> int:
            expires_at = await tx.shared_now() + self.ttl
            statement = update(leases).where(self._mine()).values(expires_at=expires_at, renewals=leases.c.renewals + 1)
            return (await tx.execute(statement)).rowcount

        if not await self._store.run(work):
            raise StaleLease(self.name)
        self._deadline = started + self.ttl.total_seconds()

    async def release(self) -> None:
        """Let others have it at once; no error when they already do."""

        async def work(tx: Transaction) -> None:
            await tx.execute(update(leases).where(self._mine()).values(owner="", expires_at=_LONG_AGO))

        self._deadline = self._store.clock.monotonic()
        await self._store.run(work)

    async def guard(self, tx: Transaction) -> None:
        """Make `tx` fail unless the lease is still this one when it commits; raises StaleLease when it already is not.

        On PostgreSQL the row stays locked until `tx` ends, so nobody takes over while it is under way.
        """
        statement = select(leases.c.fence).where(leases.c.name == self.name).with_for_update(read=True)
        if (await tx.execute(statement)).scalar() != self.fence:
            raise StaleLease(self.name)

    def _mine(self) -> ColumnElement[bool]:
        return and_(leases.c.name == self.name, leases.c.fence == self.fence, leases.c.owner != "")


async def is_held(tx: Transaction, name: str) -> bool:
    """Whether somebody holds the lease and its time is not over."""
    row = (await tx.execute(select(leases.c.owner, leases.c.expires_at).where(leases.c.name == name))).one_or_none()
    return row is not None and row.owner != "" and row.expires_at > await tx.shared_now()


async def lapse(tx: Transaction, name: str) -> bool:
    """Take a lease whose time is over from its holder for good; False when somebody holds it still.

    A holder that was only slow learns of it at its next `renew` or `guard`, which raise StaleLease.
    """
    if await is_held(tx, name):
        return False
    mine = and_(leases.c.name == name, leases.c.owner != "")
    await tx.execute(update(leases).where(mine).values(owner="", fence=leases.c.fence + 1, expires_at=_LONG_AGO))
    return True


@dataclass(frozen=True, slots=True)
class _Sighting:
    fence: int
    renewals: int
    since: float


class LeaseHolder:
    """One server as leases know it. An `owner` gets its own leases back at once, so it names one running server only."""

    def __init__(self, store: Store, owner: str) -> None:
        if not owner:
            raise ValueError("a lease needs an owner")
        self._store = store
        self._clock: Clock = store.clock
        self._owner = owner
        self._sightings: dict[str, _Sighting] = {}

    async def acquire(self, name: str, ttl: timedelta) -> Lease | None:
        """Take the lease if it is free, expired or our own; None while another holds it.

        A holder that has not renewed for a whole ttl while we watched has lost it too, whatever the wall clocks say: so a clock
        that was set back does not keep a dead holder's lease for long.
        """
        started = self._clock.monotonic()

        async def work(tx: Transaction) -> tuple[int | None, tuple[int, int] | None]:
            columns = (leases.c.owner, leases.c.fence, leases.c.renewals, leases.c.expires_at)
            row = (await tx.execute(select(*columns).where(leases.c.name == name))).one_or_none()
            now = await tx.shared_now()
            if row is None:
                await tx.execute(
                    insert(leases).values(name=name, owner=self._owner, fence=1, renewals=0, expires_at=now + ttl)
                )
                return 1, None
            if not self._may_take(name, row, now, ttl):
                return None, (row.fence, row.renewals)
            fence = row.fence + 1
            await tx.execute(
                update(leases)
                .where(leases.c.name == name)
                .values(owner=self._owner, fence=fence, renewals=0, expires_at=now + ttl)
            )
            return fence, None

        fence, seen = await self._store.run(work)
        if fence is None:
            if seen is not None:
                self._remember(name, *seen)
            return None
        self._sightings.pop(name, None)
        return Lease(self._store, name, fence, ttl, started)

    def _may_take(self, name: str, row: _LeaseRow, now: datetime, ttl: timedelta) -> bool:
        owner, fence, renewals, expires_at = row
        if owner == self._owner or expires_at <= now:
            return True
        sighting = self._sightings.get(name)
        if sighting is None or (sighting.fence, sighting.renewals) != (fence, renewals):
            return False
        return self._clock.monotonic() - sighting.since > ttl.total_seconds()

    def _remember(self, name: str, fence: int, renewals: int) -> None:
        sighting = self._sightings.get(name)
        if sighting is None or (sighting.fence, sighting.renewals) != (fence, renewals):
            self._sightings[name] = _Sighting(fence, renewals, self._clock.monotonic())
