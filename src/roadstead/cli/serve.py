"""`roadstead server` and `roadstead agent`: the two processes that `up` supervises, and what further hosts run by themselves."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from roadstead.cli.checks import check
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import (
    Config,
    DatabaseOption,
    DataOption,
    NotUpYet,
    StateOption,
    read_config,
    resolve_data,
    write_config,
)


def server(
    *,
    data: DataOption = None,
    listen: Annotated[str | None, Parameter(help="HOST:PORT of the API and the registry.")] = None,
    database: DatabaseOption = None,
    state: StateOption = None,
) -> None:
    """Run a server in the foreground, as its data directory says; options change that.

    Several servers work on one PostgreSQL database: each has a data directory of its own, --state is the same for all.
    """
    _without_rich()
    from roadstead.server.errors import ServerFailed
    from roadstead.server.main import run_server
    from roadstead.server.settings import ServerSettings

    where = resolve_data(data)
    config = _config(where, listen, database, state)
    settings = ServerSettings(
        data_dir=where,
        host=config.host,
        port=config.port,
        account=config.account,
        region=config.region,
        fargate_runtime=config.fargate_runtime,
        database=config.database,
        state=Path(config.state) if config.state else None,
        iam_quotas=config.iam_quotas,
    )
    try:
        run_server(settings)
    except ServerFailed as error:
        raise CommandFailed(str(error), error.status) from error


def _config(data: Path, listen: str | None, database: str | None, state: Path | None) -> Config:
    """The settings in the data directory, changed by those that were given; they are written there when there are none yet."""
    try:
        known = read_config(data)
    except NotUpYet as error:
        if not (listen or database or state):
            raise CommandFailed(str(error)) from error
        known = None
    base = known or Config()
    config = msgspec.structs.replace(
        base,
        listen=listen or base.listen,
        database=database or base.database,
        state=str(state.expanduser().resolve()) if state else base.state,
    )
    check(config)
    if known is None:
        write_config(data, config)
    return config


def agent(*, data: DataOption = None) -> None:
    """Run the agent of a data directory in the foreground; needs root."""
    _without_rich()
    from roadstead.cli.run_agent import run
    from roadstead.kernel.logging import configure_logging

    configure_logging()
    asyncio.run(run(resolve_data(data)))


def _without_rich() -> None:
    """Keep structlog from importing rich, for tracebacks that a process with JSON logs never prints: 0.2 s of each start."""
    sys.modules["rich"] = None  # type: ignore[assignment]
