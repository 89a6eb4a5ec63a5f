"""What only SQLite's shared writer has."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from structlog.testing import capture_logs
from tests.support.mounts import small_tmpfs
from tests.unit.store.tables import things

from roadstead.store import CommitFailed, NestedTransaction, StoreUnavailable, Transaction, open_store
from roadstead.store.sqlite.store import SqliteStore


async def open_sqlite(path: Path) -> SqliteStore:
    store = await open_store(f"sqlite:///{path}")
    assert isinstance(store, SqliteStore)
    await store.create_all()
    return store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with await open_sqlite(tmp_path / "db") as opened:
        yield opened


async def add(store: SqliteStore, name: str, payload: str = "") -> None:
    async with store.transaction() as tx:
        await tx.execute(insert(things).values(name=name, payload=payload))


async def count(store: SqliteStore) -> int:
    async with store.snapshot() as tx:
        return (await tx.execute(select(func.count()).select_from(things))).scalar_one()


def fill_up(ballast: Path) -> None:
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


async def test_many_transactions_share_a_commit(store: SqliteStore):
    before = store.writer.commit_count
    await asyncio.gather(*(add(store, f"t{number}") for number in range(200)))
    assert await count(store) == 200
    assert store.writer.commit_count - before <= 4


async def test_one_after_the_other_each_gets_its_own(store: SqliteStore):
    before = store.writer.commit_count
    for number in range(5):
        await add(store, f"t{number}")
    assert store.writer.commit_count - before == 5


async def test_reading_or_failing_alone_commits_nothing(store: SqliteStore):
    before = store.writer.commit_count
    async with store.transaction() as tx:
        await tx.execute(select(things))
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with store.transaction() as tx:
            await tx.execute(insert(things).values(name="a"))
            raise ZeroDivisionError
    assert store.writer.commit_count == before
    assert await count(store) == 0


async def test_what_was_seen_is_durable_before_anyone_is_told(store: SqliteStore):
    """A transaction that fails, or only reads, because of a neighbour's write waits for that write's commit."""
    order: list[str] = []
    loop = asyncio.get_running_loop()
    fsync_may_end = asyncio.Event()
    real = loop.run_in_executor

    def held_back(executor: object, function: object, *args: object):
        if args == ("COMMIT",):

            async def commit() -> object:
                await fsync_may_end.wait()
                return await real(executor, function, *args)  # pyright: ignore

            return commit()
        return real(executor, function, *args)  # pyright: ignore

    loop.run_in_executor = held_back  # pyright: ignore

    async def create(label: str) -> None:
        try:
            async with store.transaction() as tx:
                if (await tx.execute(select(things.c.name).where(things.c.name == "only"))).first() is not None:
                    raise FileExistsError  # noqa: TRY301
                await tx.execute(insert(things).values(name="only"))
            order.append(f"{label} made it")
        except FileExistsError:
            order.append(f"{label} was told")

    tasks = [asyncio.create_task(create("first")), asyncio.create_task(create("second"))]
    for _ in range(20):
        await asyncio.sleep(0)
    assert order == []
    fsync_may_end.set()
    await asyncio.gather(*tasks)
    assert sorted(order) == ["first made it", "second was told"]


async def test_a_transaction_inside_of_a_transaction_is_refused_instead_of_waiting_for_ever(store: SqliteStore):
    with pytest.raises(NestedTransaction):
        async with store.transaction():
            await add(store, "inner")
    await add(store, "after")


async def test_a_body_that_waits_for_something_else_stays_alone_and_is_reported(store: SqliteStore):
    let_go = asyncio.Event()

    async def slow() -> None:
        async with store.transaction() as tx:
            await tx.execute(insert(things).values(name="slow"))
            await asyncio.wait_for(let_go.wait(), 10)
            assert (await tx.execute(select(things.c.name))).scalars() == ["slow"]

    with capture_logs() as logs:
        first = asyncio.create_task(slow())
        await asyncio.sleep(0)
        second = asyncio.create_task(add(store, "second"))
        loop = asyncio.get_running_loop()
        loop.call_later(0.15, let_go.set)
        await asyncio.gather(first, second)
    assert [entry["event"] for entry in logs] == ["a transaction held the writer for long"]
    assert await count(store) == 2


async def test_a_callback_that_fails_disturbs_nobody(store: SqliteStore):
    called: list[str] = []

    def broken() -> None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        async with store.transaction() as tx:
            await tx.execute(insert(things).values(name="a"))
            tx.after_commit(broken)
            tx.after_commit(lambda: called.append("second"))
    assert called == ["second"]
    assert [entry["event"] for entry in logs] == ["a callback after a commit failed"]


async def test_a_waiter_that_is_cancelled_leaves_its_batch_alone(store: SqliteStore):
    woken = store.subscribe()
    tasks = [asyncio.create_task(add(store, f"t{number}")) for number in range(10)]
    while not store.writer._commits:  # noqa: ASYNC110
        await asyncio.sleep(0)
    tasks[0].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcome for outcome in outcomes[1:] if outcome is not None] == []
    assert await count(store) >= 9
    woken.close()


async def test_closing_waits_for_commits_under_way(tmp_path: Path):
    store = await open_sqlite(tmp_path / "other")
    tasks = [asyncio.create_task(add(store, f"t{number}")) for number in range(10)]
    await asyncio.sleep(0)
    await store.close()
    done = [
        not isinstance(outcome, StoreUnavailable) for outcome in await asyncio.gather(*tasks, return_exceptions=True)
    ]
    async with await open_sqlite(tmp_path / "other") as again:
        assert await count(again) == sum(done)


async def test_closing_waits_for_a_transaction_that_is_inside(tmp_path: Path):
    store = await open_sqlite(tmp_path / "other")
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with store.transaction() as tx:
            await tx.execute(insert(things).values(name="slow"))
            inside.set()
            await go_on.wait()

    writing = asyncio.create_task(slow())
    await inside.wait()
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(writing, closing)
    async with await open_sqlite(tmp_path / "other") as again:
        assert await count(again) == 1


async def test_another_process_that_writes_is_waited_for(store: SqliteStore):
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(add(store, "a"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert await count(store) == 1


async def test_settings_that_durability_rests_on(store: SqliteStore):
    async with store.transaction() as tx:
        raw = tx._link.raw  # pyright: ignore
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA synchronous").fetchone() == (2,)
        assert raw.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert store.path.stat().st_mode & 0o777 == 0o600


async def test_a_full_disk_fails_the_whole_batch_and_the_next_one_works(tmp_path: Path):
    with small_tmpfs(tmp_path / "small", mebibytes=8) as place:
        store = await open_sqlite(place / "db")
        ballast = place / "ballast"
        fill_up(ballast)
        outcomes = await asyncio.gather(
            *(add(store, f"t{number}", payload="y" * 2000) for number in range(300)), return_exceptions=True
        )
        assert any(isinstance(outcome, Exception) for outcome in outcomes)
        acknowledged = sum(outcome is None for outcome in outcomes)
        assert await count(store) == acknowledged
        ballast.unlink()
        await asyncio.gather(*(add(store, f"later{number}") for number in range(20)))
        assert await count(store) == acknowledged + 20
        await store.close()
        async with await open_sqlite(place / "db") as again:
            assert await count(again) == acknowledged + 20


async def test_a_statement_that_finds_the_disk_full_is_an_error_of_the_store(store: SqliteStore):
    await add(store, "a")

    async def too_much(tx: Transaction) -> None:
        raw = tx._link.raw  # pyright: ignore
        raw.execute(f"PRAGMA max_page_count = {raw.execute('PRAGMA page_count').fetchone()[0]}")
        await tx.execute(insert(things).values(name="b", payload="y" * 100_000))

    async def in_a_part(tx: Transaction) -> None:
        async with tx.savepoint():
            await too_much(tx)

    for work in (too_much, in_a_part):
        with pytest.raises(StoreUnavailable, match="full"):
            await store.run(work)
    assert await count(store) == 1


async def test_a_file_that_is_damaged_is_an_error_of_the_store(tmp_path: Path):
    async with await open_sqlite(tmp_path / "db") as store:
        await asyncio.gather(*(add(store, f"t{number}", payload="y" * 2000) for number in range(50)))
    with (tmp_path / "db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * ((tmp_path / "db").stat().st_size - 4096))
    async with await open_store(f"sqlite:///{tmp_path / 'db'}") as damaged:
        assert isinstance(damaged, SqliteStore)
        with pytest.raises(StoreUnavailable):
            await count(damaged)
        with pytest.raises(StoreUnavailable):
            await add(damaged, "b")


async def test_when_sqlite_rolls_everything_back_the_neighbours_hear_of_it(store: SqliteStore):
    """As SQLite does by itself when a statement finds the disk full."""

    async def unlucky() -> None:
        async with store.transaction() as tx:
            await tx.execute(insert(things).values(name="unlucky"))
            tx._link.raw.execute("ROLLBACK")  # pyright: ignore
            raise sqlite3.OperationalError("database or disk is full")

    outcomes = await asyncio.gather(add(store, "a"), unlucky(), add(store, "b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [CommitFailed, CommitFailed, type(None)]
    async with store.snapshot() as tx:
        assert (await tx.execute(select(things.c.name))).scalars() == ["b"]


async def test_when_the_commit_fails_nobody_is_acknowledged(store: SqliteStore):
    called: list[str] = []
    loop = asyncio.get_running_loop()
    real = loop.run_in_executor

    async def fail() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    loop.run_in_executor = lambda executor, function, *args: (  # pyright: ignore
        fail() if args == ("COMMIT",) else real(executor, function, *args)
    )

    async def work(tx: Transaction, name: str) -> None:
        await tx.execute(insert(things).values(name=name))
        tx.after_commit(lambda: called.append(name))

    outcomes = await asyncio.gather(
        *(store.run(lambda tx, n=number: work(tx, f"t{n}")) for number in range(5)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [CommitFailed] * 5
    assert called == []
    assert await count(store) == 0
    loop.run_in_executor = real  # pyright: ignore
    await store.run(lambda tx: work(tx, "after"))
    assert (called, await count(store)) == (["after"], 1)


async def test_a_reader_without_a_file_descriptor_left_says_that_the_store_is_away(store: SqliteStore):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(StoreUnavailable):
            async with store.snapshot():
                raise AssertionError("there was no descriptor")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert await count(store) == 0
