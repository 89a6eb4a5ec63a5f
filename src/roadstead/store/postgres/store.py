"""The store on PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import structlog
from sqlalchemy import URL, Connection, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from roadstead.kernel.clock import Clock
from roadstead.store.base import Store
from roadstead.store.errors import CommitFailed, StoreBusy, StoreUnavailable, TransactionConflict
from roadstead.store.postgres.link import PostgresLink, may_be_race, translate
from roadstead.store.postgres.wakeups import PostgresWakeups
from roadstead.store.transaction import Transaction
from roadstead.store.values import check_statements

_log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

ATTEMPTS = 10
"""How often `run` tries after a lost connection or a duplicate key: with pauses that double from 2 ms, for about a second."""
CONFLICT_SECONDS = 10.0
"""How long `run` goes on after conflicts."""
_FIRST_PAUSE = 0.002
_LAST_PAUSE = 0.05
_IDLE_MS = 15_000
"""How long a transaction may do nothing before the database ends it: a server that stands still must not hold the others up with its locks."""
_CONNECTIONS = 16
_SCHEMA_LOCK = 0x726F6164  # any number that other users of the database don't take


class PostgresStore(Store):
    """A database that several servers share. Read-write transactions are SERIALIZABLE, snapshots REPEATABLE READ."""

    def __init__(self, url: URL, clock: Clock) -> None:
        super().__init__(url.render_as_string(hide_password=False), clock)
        self._closed = False
        self._line = asyncio.Lock()
        self.engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            isolation_level="SERIALIZABLE",
            pool_size=_CONNECTIONS,
            max_overflow=_CONNECTIONS,
            query_cache_size=4096,
            hide_parameters=True,
            connect_args={
                "server_settings": {
                    "application_name": "roadstead",
                    "synchronous_commit": "on",
                    "jit": "off",
                    "idle_in_transaction_session_timeout": str(_IDLE_MS),
                }
            },
        )
        check_statements(self.engine.sync_engine)
        self._exchange = PostgresWakeups(
            url.set(drivername="postgresql").render_as_string(hide_password=False),
            self.engine,
            self.wakeups.wake,
            self.wakeups.wake_all,
        )

    async def start(self) -> None:
        """Make sure that the database answers; raises StoreUnavailable."""
        async with self._connect():
            try:
                await self._exchange.start()
            except TimeoutError as error:
                raise StoreUnavailable("PostgreSQL gives no connection for wake-ups") from error

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """See Store.transaction."""
        async with self._connect() as connection:
            tx = Transaction(PostgresLink(connection), self.clock, self.keys, writable=True)
            try:
                yield tx
                await tx.finish()
            except Exception as error:
                _raise_translated(error, tx)
                raise
            commit = asyncio.create_task(self._commit(connection, tx))
            try:
                await asyncio.shield(commit)
            except asyncio.CancelledError:
                await asyncio.wait([commit])
                raise

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Transaction]:
        """See Store.snapshot."""
        async with self._connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            tx = Transaction(PostgresLink(connection), self.clock, self.keys, writable=False)
            try:
                yield tx
            except Exception as error:
                _raise_translated(error, tx)
                raise

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """See Store.run. Also begins anew, on another connection, when one is lost before the commit, and after a duplicate key.

        Transactions that lost to another form a line: of many that write to one row, one at a time tries again, and soon wins.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + CONFLICT_SECONDS
        in_line = False
        failures, pause = 0, _FIRST_PAUSE
        async with AsyncExitStack() as line:
            while True:
                try:
                    async with self.transaction() as tx:
                        return await work(tx)
                except TransactionConflict as error:
                    reason: Exception = error
                    in_line = in_line or await self._joins(line, deadline)
                    if not in_line or clock() > deadline:
                        raise
                    pause = min(pause, _LAST_PAUSE)
                except (StoreUnavailable, IntegrityError) as error:
                    reason = error
                    failures += 1
                    if failures == ATTEMPTS or (isinstance(error, IntegrityError) and not may_be_race(error)):
                        raise
                _log.debug("a transaction begins anew", reason=str(reason))
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the retries, hides nothing
                pause *= 2

    async def _joins(self, line: AsyncExitStack, deadline: float) -> bool:
        """Wait for the turn of a transaction that lost before; whether it came in time."""
        try:
            async with asyncio.timeout_at(deadline):
                await line.enter_async_context(self._line)
        except TimeoutError:
            return False
        return True

    async def change_schema(self, work: Callable[[Connection], T]) -> T:
        """See Store.change_schema. An advisory lock keeps others out."""
        async with self._connect() as connection:
            # A transaction that waited for the lock must see what the one before it did.
            await connection.execution_options(isolation_level="READ COMMITTED")
            await connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            result = await connection.run_sync(work)
            await connection.commit()
            return result

    async def close(self) -> None:
        """See Store.close."""
        self._closed = True
        await self._exchange.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def _connect(self) -> AsyncGenerator[AsyncConnection]:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            connection = await self.engine.connect()
        except (OSError, DBAPIError) as error:
            raise StoreUnavailable("PostgreSQL does not answer") from error
        except PoolTimeoutError as error:
            raise StoreBusy("every connection to PostgreSQL is taken") from error
        try:
            yield connection
        finally:
            await connection.close()

    async def _commit(self, connection: AsyncConnection, tx: Transaction) -> None:
        try:
            await connection.commit()
        except DBAPIError as error:
            translated = translate(error)
            if isinstance(translated, TransactionConflict):
                raise translated from error
            raise CommitFailed("PostgreSQL did not confirm the commit") from error
        for callback in tx.callbacks:
            try:
                callback()
            except Exception:  # noqa: BLE001 - the commit stands, whatever its followers do
                _log.exception("a callback after a commit failed")
        if tx.topics:
            self.wakeups.wake(tx.topics)
            self._exchange.tell_others(tx.topics)


def _raise_translated(error: Exception, tx: Transaction) -> None:
    """Raise the store's error that `error` amounts to, if any.

    A conflict or a lost connection counts, even if the code has turned it into something else meanwhile.
    """
    reason = error if isinstance(error, DBAPIError) else tx.failure
    translated = translate(reason) if reason is not None else None
    if translated is not None:
        raise translated from error
