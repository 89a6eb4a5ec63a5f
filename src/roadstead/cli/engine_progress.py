"""Showing how an installation goes: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from roadstead.engines.progress import Event, Stage
from roadstead.engines.progress import Progress as Report


@contextlib.contextmanager
def showing(console: Console) -> Generator[Report, None, None]:
    """Give a function that shows the events it gets, on the console, until the block ends."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[detail]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar an engine."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if event.engine not in self._tasks:
            self._tasks[event.engine] = self._bars.add_task(event.engine, total=None, count="", detail="")
        task = self._tasks[event.engine]
        detail = f"{event.stage} {event.detail}".strip()
        if event.stage is Stage.READY:
            self._bars.update(task, total=1, completed=1, count="", detail=detail)
        else:
            self._bars.update(task, total=event.total, completed=event.done or 0, count=_count(event), detail=detail)


class _Lines:
    """One line a stage, and none for what merely advances."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[str, Stage, str] | None = None

    def __call__(self, event: Event) -> None:
        if (shown := (event.engine, event.stage, event.detail)) != self._last:
            self._last = shown
            line = f"{event.engine}: {event.stage} {event.detail}".rstrip()
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _count(event: Event) -> str:
    if event.done is None:
        return ""
    if event.stage is Stage.DOWNLOADING:
        total = f" of {event.total / 1e6:.1f}" if event.total else ""
        return f"{event.done / 1e6:.1f}{total} MB"
    return f"{event.done} of {event.total} packages" if event.total else f"{event.done} packages"
