"""`roadstead status`."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import msgspec
from cyclopts import Parameter

from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import DataOption, NotUpYet, read_config, resolve_data
from roadstead.engines.supervise import ChildRecord, State, read_status


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
    """Show the processes of a deployment; the exit status is 0 when all are ready."""
    where = resolve_data(data)
    try:
        config = read_config(where)
    except NotUpYet as error:
        raise CommandFailed(str(error)) from error
    now = read_status(where)
    ready = now.supervisor is not None and all(c.state is State.READY for c in now.children)
    if json:
        document = _Document(
            ready=ready,
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
        console.print(f"{where} · {config.endpoint} · {'ready' if ready else 'not ready'}")
        console.print(table)
    if not ready:
        raise SystemExit(1)


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
