"""`roadstead registry`: check what a registry stores, and give back what nothing refers to. A running server does the work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from roadstead.agent.client import ApiClient, ApiRefused, ApiUnreachable, Credentials, FixedCredentials
from roadstead.cli.environment import read_key
from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import DataOption

app = App(name="registry", help="Check what the registry stores, and give back what nothing refers to.")

_SECONDS = 1800.0
"""How long one call may take: a page of a check ends after the blob that it is at, which may have 50 GB."""
T = TypeVar("T")


class _Finding(msgspec.Struct):
    kind: str
    subject: str
    repaired: bool


class _Total(msgspec.Struct):
    contents: int
    bytes: int
    images: int


class _Page(msgspec.Struct, rename="camel"):
    findings: list[_Finding]
    contents: int
    bytes: int
    images: int
    total: _Total | None = None
    next_token: str | None = None


class _Collected(msgspec.Struct):
    links: int
    contents: int
    leftovers: int
    bytes: int


@app.command
def fsck(
    *,
    data: DataOption = None,
    repair: Annotated[bool, Parameter(negative="", help="Put right what can be.")] = False,
) -> None:
    """Read every blob and compare it with its digest; find what is missing and what nothing refers to. Pushes and pulls go on.

    Content that is lost can't be made up: with --repair its blobs are not announced any more, so that the next push brings them back. The
    exit status is 1 when something is wrong and was not put right.
    """
    findings = asyncio.run(_check(data, repair=repair))
    if any(not finding.repaired for finding in findings):
        raise SystemExit(1)


@app.command
def gc(
    *,
    data: DataOption = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would go.")] = False,
    grace: Annotated[
        int | None,
        Parameter(
            help="Seconds to keep what nothing refers to; with 0 a push under way may have to send layers again."
        ),
    ] = None,
) -> None:
    """Give back now what nothing refers to, leftovers of crashes included; the server does so by itself as well."""
    request: dict[str, object] = {"dryRun": dry_run, **({} if grace is None else {"graceSeconds": grace})}
    done = asyncio.run(_call_once(data, "CollectRegistryGarbage", request, _Collected))
    would = "would go" if dry_run else "went"
    leftovers = "" if dry_run else f", {done.leftovers} leftovers found"
    Console().print(f"{done.links} links and {done.contents} blobs {would}{leftovers}: {decimal(done.bytes)}")


async def _check(data: DataOption, *, repair: bool) -> list[_Finding]:
    console = Console()
    findings: list[_Finding] = []
    checked = _Total(0, 0, 0)
    columns = (TextColumn("[bold]reading"), BarColumn(), TextColumn("{task.fields[count]}"), TimeRemainingColumn())
    async with _client(data) as client:
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
            task = bars.add_task("", total=None, count="")
            token: str | None = None
            while True:
                request: dict[str, object] = {"repair": repair, **({"nextToken": token} if token else {})}
                page = await _call(client, "CheckRegistry", request, _Page)
                checked = _Total(
                    checked.contents + page.contents, checked.bytes + page.bytes, checked.images + page.images
                )
                if page.total is not None:
                    bars.update(task, total=page.total.bytes)
                bars.update(task, completed=checked.bytes, count=f"{decimal(checked.bytes)}, {checked.contents} blobs")
                for finding in page.findings:
                    state = "repaired" if finding.repaired else "not repaired"
                    console.print(f"{finding.kind}: {finding.subject} ({state})", soft_wrap=True, highlight=False)
                findings += page.findings
                token = page.next_token
                if token is None:
                    break
    size = decimal(checked.bytes)
    found = f"{len(findings)} findings" if findings else "everything is right"
    console.print(f"{checked.contents} blobs ({size}) and {checked.images} images checked: {found}")
    return findings


async def _call_once(data: DataOption, operation: str, request: dict[str, object], response: type[T]) -> T:
    async with _client(data) as client:
        return await _call(client, operation, request, response)


@contextlib.asynccontextmanager
async def _client(data: DataOption) -> AsyncGenerator[ApiClient]:
    key = read_key(data)
    url = urlsplit(key.endpoint)
    try:
        _, writer = await asyncio.open_connection(url.hostname, url.port)
    except OSError as error:
        raise CommandFailed(f"no server answers at {key.endpoint}: is Roadstead up? (roadstead status)") from error
    writer.close()
    source = FixedCredentials(Credentials(key.access_key_id, key.secret_access_key))
    async with ApiClient(key.endpoint, key.region, source, attempt_timeout=_SECONDS) as client:
        yield client


async def _call(client: ApiClient, operation: str, request: dict[str, object], response: type[T]) -> T:
    try:
        return await client.call("roadstead", operation, request, response, deadline=_SECONDS)
    except ApiUnreachable as error:
        raise CommandFailed(f"the server did not answer: {error}") from error
    except ApiRefused as error:
        raise CommandFailed(f"the server refused: {error}") from error
