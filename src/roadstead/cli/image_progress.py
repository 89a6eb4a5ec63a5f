"""Showing how images move: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from roadstead.images.progress import Event, Progress, Stage

_SHORT = 19
"""The characters of a digest that are shown."""


@contextlib.contextmanager
def showing(console: Console) -> Generator[Progress]:
    """Give a function that shows the events it gets, on the console, until the block ends."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("[dim]{task.fields[stage]}"),
    )
    with Bars(*columns, console=console) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar a blob."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if event.stage is Stage.TAGGED:
            self._bars.console.print(_line(event), markup=False, highlight=False, soft_wrap=True)
            return
        if event.what not in self._tasks:
            self._tasks[event.what] = self._bars.add_task(event.what[:_SHORT], total=event.total, stage="")
        self._bars.update(self._tasks[event.what], completed=event.done, total=event.total, stage=str(event.stage))


class _Lines:
    """One line a stage, and none for what merely advances."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: dict[str, Stage] = {}

    def __call__(self, event: Event) -> None:
        if self._last.get(event.what) is event.stage:
            return
        self._last[event.what] = event.stage
        self._console.print(_line(event), markup=False, highlight=False, soft_wrap=True)


def _line(event: Event) -> str:
    if event.stage is Stage.TAGGED:
        return f"{event.what} → {event.detail}"
    goes_on = f", goes on at {event.done}" if event.stage is Stage.COPYING and event.done else ""
    return f"{event.what[:_SHORT]}: {event.stage} ({event.total} bytes{goes_on})"
