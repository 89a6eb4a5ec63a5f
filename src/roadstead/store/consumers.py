"""Reading the outbox from where one left off: every event at least once, in the order of the commits.

A position is (xid, id). On PostgreSQL, events of transactions that began before the oldest one still under way are shown, no
others: any event that turns up later has a larger xid than all that were shown, so a cursor never passes one by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    String,
    Table,
    delete,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from roadstead.store.base import Store
from roadstead.store.metadata import metadata
from roadstead.store.outbox import Event, outbox
from roadstead.store.transaction import Transaction

consumers = Table(
    "outbox_consumers",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("last_xid", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the outbox."""

    xid: int
    id: int


START = Position(-1, -1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that was committed, and where it lies in the outbox."""

    position: Position
    event: Event
    created_at: datetime


class Consumer:
    """A named reader. What it has acknowledged it does not get again; what it has not, it does, also after a restart."""

    def __init__(self, store: Store, name: str, *topics: str) -> None:
        self._store = store
        self.name = name
        self._topics = topics

    async def register(self, *, from_now: bool = False) -> None:
        """Make the consumer known, if it is not yet, so that trimming spares what it has not read.

        It begins with the oldest event that is kept, or with `from_now` after the newest.
        """
        start = await self._newest() if from_now else START

        async def work(tx: Transaction) -> None:
            if (await tx.execute(select(consumers.c.name).where(consumers.c.name == self.name))).first() is None:
                await tx.execute(insert(consumers).values(name=self.name, last_xid=start.xid, last_id=start.id))

        await self._store.run(work)

    async def read(self, limit: int = 100) -> list[Delivery]:
        """Up to `limit` events after the last acknowledged one, in order; empty when there are none.

        Raises NoResultFound for a consumer that is not registered.
        """
        async with self._store.snapshot() as tx:
            position = await self._position(tx)
            statement = select(outbox).where(_after(position)).order_by(outbox.c.xid, outbox.c.id).limit(limit)
            horizon = await tx.event_horizon()
            if horizon is not None:
                if position.xid >= horizon:
                    statement = select(outbox).order_by(outbox.c.xid, outbox.c.id).limit(limit)  # restored elsewhere
                statement = statement.where(outbox.c.xid < horizon)
            if self._topics:
                statement = statement.where(outbox.c.topic.in_(self._topics))
            rows = await tx.execute(statement)
        return [
            Delivery(
                Position(row.xid, row.id),
                Event(
                    row.topic, row.account, row.region, row.resource, msgspec.convert(row.payload, dict[str, object])
                ),
                row.created_at,
            )
            for row in rows
        ]

    async def acknowledge(self, tx: Transaction, position: Position) -> None:
        """Be done with everything up to `position`, when `tx` commits: together with what was done about it."""
        await tx.execute(
            update(consumers).where(consumers.c.name == self.name).values(last_xid=position.xid, last_id=position.id)
        )

    async def forget(self) -> None:
        """Remove the consumer; trimming does not wait for it any more."""

        async def work(tx: Transaction) -> None:
            await tx.execute(delete(consumers).where(consumers.c.name == self.name))

        await self._store.run(work)

    async def _position(self, tx: Transaction) -> Position:
        columns = (consumers.c.last_xid, consumers.c.last_id)
        row = (await tx.execute(select(*columns).where(consumers.c.name == self.name))).one()
        return Position(row.last_xid, row.last_id)

    async def _newest(self) -> Position:
        async with self._store.snapshot() as tx:
            statement = select(outbox.c.xid, outbox.c.id).order_by(outbox.c.xid.desc(), outbox.c.id.desc()).limit(1)
            horizon = await tx.event_horizon()
            if horizon is not None:
                statement = statement.where(outbox.c.xid < horizon)
            row = (await tx.execute(statement)).first()
        return START if row is None else Position(row.xid, row.id)


async def trim(store: Store, *, keep: timedelta, keep_unread: timedelta, limit: int = 1000) -> int:
    """Delete up to `limit` events that are older than `keep` and read by every consumer, or older than `keep_unread`.

    Returns how many went; call again while that is `limit`.
    """

    async def work(tx: Transaction) -> int:
        now = tx.clock.now()
        slowest = (
            await tx.execute(
                select(consumers.c.last_xid, consumers.c.last_id)
                .order_by(consumers.c.last_xid, consumers.c.last_id)
                .limit(1)
            )
        ).first()
        read_by_all = ~_after(Position(slowest.last_xid, slowest.last_id)) if slowest is not None else literal(True)
        old = (
            select(outbox.c.id)
            .where(outbox.c.created_at < now - keep, or_(read_by_all, outbox.c.created_at < now - keep_unread))
            .order_by(outbox.c.created_at)
            .limit(limit)
        )
        return (await tx.execute(delete(outbox).where(outbox.c.id.in_(old)))).rowcount

    return await store.run(work)


def _after(position: Position) -> ColumnElement[bool]:
    return tuple_(outbox.c.xid, outbox.c.id) > tuple_(literal(position.xid), literal(position.id))
