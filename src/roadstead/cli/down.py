"""`roadstead down`: stop, and leave nothing behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from roadstead.cli.deployment import KEEP_SIGNAL, recover
from roadstead.cli.failure import CommandFailed, require_root
from roadstead.cli.settings import DataOption, NotUpYet, read_config, resolve_data
from roadstead.cli.teardown import DRAIN_SECONDS, left_behind
from roadstead.engines.supervise import (
    AlreadySupervised,
    StillBeginning,
    log_path,
    read_status,
    shut_down,
    stop_beginner,
    until_recorded,
)


def down(
    *,
    data: DataOption = None,
    keep: Annotated[bool, Parameter(negative="", help="Leave tasks running; the next `up` finds them.")] = False,
) -> None:
    """Stop every task with its stop timeout, free everything on this host, and end."""
    require_root()
    asyncio.run(_down(resolve_data(data), keep=keep))


async def _down(data: Path, *, keep: bool) -> None:
    try:
        # An `up` that installs engines may be told to end; one that meets what an earlier one left is waited for.
        was_beginning = await stop_beginner(data, DRAIN_SECONDS)
        await until_recorded(data)
    except StillBeginning as error:
        raise CommandFailed(str(error)) from error
    except TimeoutError as error:
        raise CommandFailed(f"what was coming up on {data} does not end") from error
    supervised = read_status(data).supervisor is not None
    names: list[str] = []
    if supervised or keep:
        request = KEEP_SIGNAL if keep else signal.SIGTERM
        try:
            names = await shut_down(data, request=request, deadline=DRAIN_SECONDS + 120)
        except AlreadySupervised as error:
            raise CommandFailed(str(error)) from error
        except TimeoutError as error:
            raise CommandFailed(f"it does not end; see {log_path(data, 'up')}") from error
    if not keep and left_behind(data):
        # Nobody is left who could stop tasks in order: come up as after any crash, then go down.
        try:
            await recover(data, read_config(data))
        except NotUpYet as error:
            raise CommandFailed(str(error)) from error
    elif names:
        sys.stdout.write(f"stopped {', '.join(names)}\n")
    elif supervised or was_beginning:
        sys.stdout.write(f"stopped what was coming up on {data}\n")
    else:
        sys.stdout.write(f"nothing runs on {data}\n")
