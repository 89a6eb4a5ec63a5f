"""`roadstead server` and `roadstead agent`: the two processes that `up` supervises, and what further hosts run by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import sys
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from roadstead.cli import settings_file
from roadstead.cli.checks import check
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import (
    BlobsOption,
    Config,
    ConfigOption,
    DatabaseOption,
    DataOption,
    GraceOption,
    NotUpYet,
    StateOption,
    absolute,
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
    config: ConfigOption = None,
    blobs: BlobsOption = None,
    gc_grace: GraceOption = None,
) -> None:
    """Run a server in the foreground, as its data directory says; options change that.

    Several servers work on one PostgreSQL database: each has a data directory of its own, --state is the same for all.
    """
    _open_as_many_files_as_allowed()
    with _quick_imports():
        from roadstead.server.errors import ServerFailed
        from roadstead.server.main import run_server
        from roadstead.server.settings import ServerSettings

    where = resolve_data(data)
    known = _config(
        where,
        listen=listen,
        database=database,
        state=state,
        config_file=config,
        blobs=blobs,
        gc_grace=gc_grace,
    )
    of_file = settings_file.read(where, known)
    settings = ServerSettings(
        data_dir=where,
        host=known.host,
        port=known.port,
        account=known.account,
        region=known.region,
        fargate_runtime=known.fargate_runtime,
        database=known.database,
        state=Path(known.state) if known.state else None,
        iam_quotas=known.iam_quotas,
        audit_megabytes=known.audit_megabytes,
        upstreams=of_file.upstreams,
        ecr=of_file.ecr,
        blobs=known.blobs,
        gc_grace=timedelta(seconds=known.gc_grace),
    )
    try:
        run_server(settings)
    except ServerFailed as error:
        raise CommandFailed(str(error), error.status) from error


def _config(
    data: Path,
    *,
    listen: str | None,
    database: str | None,
    state: Path | None,
    config_file: Path | None,
    blobs: str | None,
    gc_grace: int | None,
) -> Config:
    """The settings in the data directory, changed by those that were given; they are written there when there are none yet."""
    try:
        known = read_config(data)
    except NotUpYet as error:
        if not (listen or database or state or config_file or blobs):
            raise CommandFailed(str(error)) from error
        known = None
    base = known or Config()
    config = msgspec.structs.replace(
        base,
        listen=listen or base.listen,
        database=database or base.database,
        state=absolute(state) or base.state,
        config_file=absolute(config_file) or base.config_file,
        blobs=blobs or base.blobs,
        gc_grace=base.gc_grace if gc_grace is None else gc_grace,
    )
    check(config)
    if known is None:
        write_config(data, config)
    return config


def agent(*, data: DataOption = None) -> None:
    """Run the agent of a data directory in the foreground; needs root."""
    _open_as_many_files_as_allowed()
    with _quick_imports():
        from roadstead.cli.run_agent import run
        from roadstead.kernel.logging import configure_logging

    configure_logging()
    asyncio.run(run(resolve_data(data)))


@contextlib.contextmanager
def _quick_imports() -> Generator[None]:
    """Import without what only takes time: walks of the collector through what stays anyway, a seventh of it, and rich.

    structlog imports rich for tracebacks that a process with JSON logs never prints.
    """
    sys.modules["rich"] = None  # type: ignore[assignment]
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _open_as_many_files_as_allowed() -> None:
    """A shell allows 1024, which some hundred containers or clients need, and lets whoever asks have as many as `doctor` judges."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
