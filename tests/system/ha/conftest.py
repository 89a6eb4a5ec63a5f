from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.postgres import PostgresServer
from tests.support.server_process import ServerProcess, server_process


@dataclass
class Pair:
    """Two servers on one database, with the leases as the database has them."""

    a: ServerProcess
    b: ServerProcess
    postgres: PostgresServer
    database: str

    def holder(self, lease: str) -> tuple[ServerProcess | None, int]:
        """Who holds a lease, None for nobody, and its fence."""
        row = self.postgres.sql(f"SELECT owner, fence FROM leases WHERE name = '{lease}'", self.database)
        owner, _, fence = row.partition("|")
        names = {each.lines("listening")[-1]["name"]: each for each in (self.a, self.b) if each.lines("listening")}
        return names.get(owner), int(fence or 0)

    def other(self, server: ServerProcess) -> ServerProcess:
        return self.b if server is self.a else self.a


@pytest.fixture
def pair(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Pair]:
    """Both servers are up."""
    name = postgres_server.create_database()
    url, state = postgres_server.url(name), tmp_path / "state"
    with (
        server_process(tmp_path / "a", database=url, state=state) as a,
        server_process(tmp_path / "b", database=url, state=state) as b,
    ):
        a.start()
        b.start()
        yield Pair(a, b, postgres_server, name)
    postgres_server.drop_database(name)
