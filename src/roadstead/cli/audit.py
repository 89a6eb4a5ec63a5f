"""`roadstead audit` and `roadstead why`: the trail of this host's server, read from its files."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from roadstead.audit.explain import explanation, summary
from roadstead.audit.reading import Wanted, decoded, event_of_request, followed, is_readable, last_events
from roadstead.audit.settings import FOLDER
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import DataOption, resolve_data

LOOK_SECONDS = 0.2
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)


def audit(
    *,
    data: DataOption = None,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="", help="Go on with what happens.")] = False,
    lines: Annotated[int, Parameter(name=["--lines", "-n"], help="How many of the last events.")] = 50,
    event: Annotated[str | None, Parameter(help="RunTask, ecs:*, …; * and ? stand for anything.")] = None,
    principal: Annotated[str | None, Parameter(help="An ARN, a user's name or an access key.")] = None,
    account: Annotated[str | None, Parameter(help="An account.")] = None,
    region: Annotated[str | None, Parameter(help="A region.")] = None,
    resource: Annotated[str | None, Parameter(help="The ARN of a resource.")] = None,
    error: Annotated[str | None, Parameter(help="An error code; * is any error.")] = None,
    denied: Annotated[bool, Parameter(negative="", help="Only what a policy refused.")] = False,
    changes: Annotated[bool, Parameter(negative="", help="Only what is not read-only.")] = False,
    since: Annotated[str | None, Parameter(help="10m, 2h, 1d, or a time as 2026-11-25T16:00:00Z.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Print whole events, one JSON object a line.")] = False,
) -> None:
    """Print the last events of this host's server: who did what, on what, and how it ended."""
    folder = _folder(data)
    wanted = Wanted(
        event=event,
        principal=principal,
        account=account,
        region=region,
        resource=resource,
        error=error,
        denied=denied,
        changes=changes,
        since=_since(since),
    )
    found, position = last_events(folder, wanted, lines)
    _print(found, json=json)
    if follow:
        try:
            for line in followed(position, lambda: time.sleep(LOOK_SECONDS)):
                seen = decoded(line)
                if seen is not None and wanted.fits(seen):
                    _print([line], json=json)
        except KeyboardInterrupt:
            return


def why(request_id: str, *, data: DataOption = None) -> None:
    """Explain a request by its id (`x-amzn-requestid`, RequestId): who asked for what, and which statements decided."""
    folder = _folder(data)
    line = event_of_request(folder, request_id)
    event = decoded(line) if line is not None else None
    if event is None:
        raise CommandFailed(f"the trail in {folder} has no request {request_id}: it may be older, or another server's")
    sys.stdout.write("\n".join(explanation(event)) + "\n")


def _folder(data: DataOption) -> Path:
    where = resolve_data(data)
    folder = where / FOLDER
    if not is_readable(where) or not is_readable(folder):
        raise CommandFailed(f"{folder} belongs to another user; try sudo")
    if not folder.is_dir():
        raise CommandFailed(f"there is no audit trail in {folder}; run: roadstead up --data {where}")
    return folder


def _since(text: str | None) -> str | None:
    """The time of events from which on they are shown."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    try:
        at = _before_now(ago) if ago is not None else datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CommandFailed(f"--since {text} is neither an age (10m, 2h, 1d) nor a time") from error
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _before_now(ago: re.Match[str]) -> datetime:
    return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})


def _print(lines: Iterable[bytes], *, json: bool) -> None:
    for line in lines:
        if json:
            sys.stdout.buffer.write(line + b"\n")
        elif (event := decoded(line)) is not None:
            sys.stdout.buffer.write(summary(event).encode() + b"\n")
    sys.stdout.buffer.flush()
