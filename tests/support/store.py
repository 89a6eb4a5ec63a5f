"""A store on each database, for tests of the store and of everything above it.

A conftest.py imports the fixtures: `from tests.support.store import store, store_url`. `postgres_server` is there for all tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.support.postgres import PostgresServer, running_postgres

from roadstead.store import Store, metadata, open_store

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole run; without the package, the test that asks for it fails and says so."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables: a SQLite file, and again a PostgreSQL database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'roadstead.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(params=DATABASES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database with every table that the test's imports know, on SQLite and again on PostgreSQL."""
    if request.param == "sqlite":
        async with await open_store(f"sqlite:///{tmp_path / 'roadstead.db'}") as opened:
            await opened.create_all(metadata)
            yield opened
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create_database(await _template(server))
    async with await open_store(server.url(name)) as opened:
        yield opened
    server.drop_database(name)


async def _template(server: PostgresServer) -> str:
    """A database with the tables, to copy: quicker than to create them each time. Tables that turn up later make a new one."""
    tables = " ".join(sorted(metadata.tables))
    if tables not in server.templates:
        name = server.create_database()
        async with await open_store(server.url(name)) as opened:
            await opened.create_all(metadata)
        server.templates[tables] = name
    return server.templates[tables]
