# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
"""The few calls of asyncpg that are made without SQLAlchemy, with the types that it lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

DATABASE_AWAY: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    DBAPIError,
    PoolTimeoutError,
)
"""What talking to a database that is away, or has no connection free, may raise, through the driver or through SQLAlchemy."""


class Listener(Protocol):
    """A connection that hears notifications."""

    async def add_listener(self, channel: str, callback: Callable[[object, int, str, object], None]) -> None:
        """Call back for each notification on a channel."""
        ...

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement; returns its tag."""
        ...

    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        ...

    def terminate(self) -> None:
        """Cut the connection."""
        ...


async def connect_listener(dsn: str) -> Listener:
    """A connection outside of the pool; raises one of DATABASE_AWAY."""
    return cast("Listener", await asyncpg.connect(dsn, server_settings={"application_name": "roadstead wake-ups"}))
