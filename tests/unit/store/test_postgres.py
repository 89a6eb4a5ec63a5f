"""What only PostgreSQL has: conflicts, lost connections, other servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.support.postgres import PostgresServer, running_postgres
from tests.unit.store.tables import things

from roadstead.store import Event, StoreBusy, StoreUnavailable, Transaction, TransactionConflict, open_store
from roadstead.store.postgres import store as postgres_module
from roadstead.store.postgres import wakeups as wakeups_module
from roadstead.store.postgres.store import PostgresStore

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create_database()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
async def store(postgres_server: PostgresServer, database: str) -> AsyncIterator[PostgresStore]:
    async with await open_store(postgres_server.url(database)) as opened:
        assert isinstance(opened, PostgresStore)
        await opened.create_all()
        yield opened


async def emit(store: PostgresStore, topic: str) -> None:
    async with store.transaction() as tx:
        tx.emit(Event(topic, "000000000000", "us-east-1", "x"))


async def begin(store: PostgresStore) -> None:
    """Put the one row in whose rank transactions will contend for."""
    async with store.transaction() as tx:
        await tx.execute(insert(things).values(name="a", rank=0))


async def rank(tx: Transaction) -> int:
    return (await tx.execute(select(things.c.rank).where(things.c.name == "a"))).scalar_one()


async def put(tx: Transaction, value: int) -> None:
    await tx.execute(update(things).where(things.c.name == "a").values(rank=value))


async def test_a_plain_transaction_reports_the_conflict_and_run_repeats_it(store: PostgresStore):
    await begin(store)
    attempts = 0

    async def bump(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        seen = await rank(tx)
        if attempts == 1:
            async with store.transaction() as other:
                await put(other, 10)
        await put(tx, seen + 1)

    with pytest.raises(TransactionConflict):
        async with store.transaction() as tx:
            await bump(tx)
    attempts = 0
    await store.run(bump)
    assert attempts == 2
    async with store.snapshot() as tx:
        assert await rank(tx) == 11


async def test_many_writers_of_one_row_all_get_through(store: PostgresStore):
    await begin(store)

    async def bump(tx: Transaction) -> None:
        seen = await rank(tx)
        await put(tx, seen + 1)

    await asyncio.gather(*(store.run(bump) for _ in range(60)))
    async with store.snapshot() as tx:
        assert await rank(tx) == 60


async def test_a_conflict_that_never_ends_is_told(store: PostgresStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres_module, "CONFLICT_SECONDS", 0.3)
    await begin(store)
    attempts = 0

    async def lose(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        seen = await rank(tx)
        async with store.transaction() as other:
            await put(other, seen + 1)
        await put(tx, 0)

    ended = await asyncio.gather(store.run(lose), store.run(lose), return_exceptions=True)
    assert [type(each) for each in ended] == [TransactionConflict] * 2
    assert attempts > 3

    async def bump(tx: Transaction) -> None:
        await put(tx, -1)

    await store.run(bump)  # the line is free again


async def test_a_conflict_counts_even_when_the_code_hides_it(store: PostgresStore):
    await begin(store)
    attempts = 0

    async def work(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await rank(tx)
        if attempts == 1:
            async with store.transaction() as other:
                await put(other, 10)
        try:
            await put(tx, 1)
        except DBAPIError as error:
            raise ValueError("something else") from error

    await store.run(work)
    assert attempts == 2


async def test_a_lost_connection_before_the_commit_is_begun_anew(
    store: PostgresStore, postgres_server: PostgresServer, database: str
):
    attempts = 0

    async def work(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await tx.execute(insert(things).values(name="a"))
        if attempts == 1:
            pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            await asyncio.to_thread(postgres_server.sql, f"SELECT pg_terminate_backend({pid})", "postgres")
        await tx.execute(insert(things).values(name="b"))

    await store.run(work)
    assert attempts == 2
    async with store.snapshot() as tx:
        assert sorted((await tx.execute(select(things.c.name))).scalars()) == ["a", "b"]


async def test_another_server_is_woken_at_once(store: PostgresStore):
    async with await open_store(store.url) as other:
        subscription, unrelated = other.subscribe("ecs.task"), other.subscribe("ecr.image")
        await emit(store, "ecs.task")
        assert await subscription.wait(10)
        assert not await unrelated.wait(0)


async def test_the_poll_finds_what_notify_lost(store: PostgresStore, postgres_server: PostgresServer, database: str):
    subscription = store.subscribe("ecs.task")
    listening = f"application_name = 'roadstead wake-ups' AND datname = '{database}'"
    deadline = asyncio.get_running_loop().time() + 10
    columns = "topic, account, region, resource, payload, created_at, xid"
    values = "'ecs.task', '1', 'r', 'x', '{}', 0, pg_current_xact_id()::text::bigint"
    while asyncio.get_running_loop().time() < deadline:
        # As a server that dies between its commit and its NOTIFY would leave it.
        await asyncio.to_thread(postgres_server.sql, f"INSERT INTO outbox ({columns}) VALUES ({values})", database)
        if await subscription.wait(3):
            break
    else:
        raise AssertionError("the poll found nothing")
    # A connection that is cut comes back, and wakes everyone in case something was missed meanwhile.
    await asyncio.to_thread(
        postgres_server.sql, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}"
    )
    quiet = store.subscribe("nothing.ever")
    assert await quiet.wait(10)


async def test_a_server_that_is_away_is_said_to_be():
    with running_postgres() as server:
        store = await open_store(server.url())
        await store.create_all()
        url = server.url()
    try:
        with pytest.raises(StoreUnavailable):
            async with store.transaction() as tx:
                await tx.execute(select(things))
        with pytest.raises(StoreUnavailable):
            await open_store(url)
    finally:
        await store.close()


async def test_run_begins_anew_where_another_was_first_with_a_row(store: PostgresStore):
    attempts = 0

    async def ensure(tx: Transaction) -> bool:
        nonlocal attempts
        attempts += 1
        if (await tx.execute(select(things.c.name).where(things.c.name == "a"))).first() is not None:
            return False
        if attempts == 1:
            async with (
                store.transaction() as other
            ):  # looks for nothing, so that no conflict is seen, only the duplicate
                await other.execute(insert(things).values(name="a"))
        await tx.execute(insert(things).values(name="a"))
        return True

    assert not await store.run(ensure)
    assert attempts == 2


async def test_run_gives_up_on_what_is_wrong_at_every_attempt(store: PostgresStore):
    async with store.transaction() as tx:
        await tx.execute(insert(things).values(name="a"))
    for values, name in (({"name": "a"}, "unique"), ({"name": "b", "rank": None}, "null")):
        with pytest.raises(IntegrityError, match=name):
            await store.run(lambda tx, values=values: tx.execute(insert(things).values(**values)))


async def test_a_database_that_takes_no_writes_is_away_until_it_does(
    store: PostgresStore, postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
):
    """As a standby, and as hosted ones whose disk is full."""
    monkeypatch.setattr(postgres_module, "ATTEMPTS", 2)
    set_to = f"ALTER DATABASE {database} SET default_transaction_read_only = "
    await asyncio.to_thread(postgres_server.sql, set_to + "on")
    await store.engine.dispose()
    with pytest.raises(StoreUnavailable, match="read-only"):
        await store.run(lambda tx: tx.execute(insert(things).values(name="a")))
    await asyncio.to_thread(postgres_server.sql, set_to + "off")
    await store.engine.dispose()
    await store.run(lambda tx: tx.execute(insert(things).values(name="a")))


async def test_a_crowd_that_gets_no_connection_is_told_and_wake_ups_go_on(
    postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(postgres_module, "_CONNECTIONS", 1)
    monkeypatch.setattr(wakeups_module, "POLL_SECONDS", 0.05)
    async with await open_store(postgres_server.url(database)) as store:
        assert isinstance(store, PostgresStore)
        store.engine.pool._timeout = 0.2  # pyright: ignore
        async with store.snapshot(), store.snapshot():
            with pytest.raises(StoreBusy):
                async with store.snapshot():
                    raise AssertionError("there were two connections")
            await asyncio.sleep(0.5)
        assert not [task for task in store._exchange._tasks if task.done()]  # pyright: ignore


async def test_a_commit_is_on_the_disk_whatever_the_server_is_set_to(store: PostgresStore):
    """The server of the tests is set to what is quick; a transaction that was acknowledged has to outlive its machine all the same."""
    async with store.transaction() as tx:
        assert (await tx.execute(text("SHOW synchronous_commit"))).scalar_one() == "on"


async def test_a_server_that_stands_still_in_a_transaction_holds_nobody_up_for_long(
    postgres_server: PostgresServer, database: str, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
):
    await begin(store)
    monkeypatch.setattr(postgres_module, "_IDLE_MS", 300)
    async with await open_store(postgres_server.url(database)) as frozen:

        async def stand_still() -> None:
            async with frozen.transaction() as tx:
                await put(tx, 1)
                async with asyncio.timeout(10):
                    await store.run(lambda other: put(other, 2))
                await rank(tx)

        with pytest.raises(StoreUnavailable):
            await stand_still()
    async with store.snapshot() as tx:
        assert await rank(tx) == 2
