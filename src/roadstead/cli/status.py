"""`roadstead status`."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from roadstead.cli.answers import pool_takes_tasks
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import Config, DataOption, NotUpYet, read_config, resolve_data
from roadstead.engines.supervise import ChildRecord, NotReady, State, read_status

_SECONDS = 5.0
"""How long the server may take to answer; it gives its database two."""


class _Process(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: str
    state: State
    since: datetime
    pid: int | None
    restarts: int
    adopted: bool
    last_exit: int | None
    reason: str


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    ready: bool
    reason: str
    """Why it is not ready although every process is."""
    data: str
    endpoint: str
    account: str
    region: str
    fargate_runtime: str
    supervisor: int | None
    processes: tuple[_Process, ...]


def status(
    *,
    data: DataOption = None,
    json: Annotated[bool, Parameter(negative="", help="Print JSON.")] = False,
) -> None:
    """Show the processes of a deployment; the exit status is 0 when all are ready and the Fargate pool takes tasks."""
    where = resolve_data(data)
    try:
        config = read_config(where)
    except NotUpYet as error:
        raise CommandFailed(str(error)) from error
    now = read_status(where)
    ready = now.supervisor is not None and all(c.state is State.READY for c in now.children)
    reason = asyncio.run(_refusal(where, config)) if ready else ""
    ready = ready and not reason
    if json:
        document = _Document(
            ready=ready,
            reason=reason,
            data=str(where),
            endpoint=config.endpoint,
            account=config.account,
            region=config.region,
            fargate_runtime=config.fargate_runtime,
            supervisor=now.supervisor,
            processes=tuple(_process(child) for child in now.children),
        )
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table("process", "state", "pid", "restarts", "why", box=None, pad_edge=False)
        for child in now.children:
            pid = str(child.process.pid) if child.process else ""
            table.add_row(child.name, str(child.state), pid, str(child.restarts), child.reason)
        console = Console()
        stands = "ready" if ready else f"not ready: {reason}" if reason else "not ready"
        console.print(f"{where} · {config.endpoint} · {stands}", markup=False, soft_wrap=True)
        console.print(table)
    if not ready:
        raise SystemExit(1)


async def _refusal(data: Path, config: Config) -> str:
    """What the server says against the Fargate pool; empty when that takes tasks."""
    try:
        async with asyncio.timeout(_SECONDS):
            await pool_takes_tasks(data, config)()
    except TimeoutError:
        return f"{config.endpoint} does not answer within {_SECONDS:g} s"
    except (NotReady, OSError) as refusal:
        return str(refusal)
    return ""


def _process(child: ChildRecord) -> _Process:
    return _Process(
        name=child.name,
        state=child.state,
        since=child.since,
        pid=child.process.pid if child.process else None,
        restarts=child.restarts,
        adopted=child.adopted,
        last_exit=child.last_exit,
        reason=child.reason,
    )
