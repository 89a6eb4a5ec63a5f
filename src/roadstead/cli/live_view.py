"""The live table of `roadstead up` on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from roadstead.cli.view import View
from roadstead.engines.supervise import ChildRecord


class LiveView(View):
    """A headline and one row a process, drawn anew when something changes."""

    def __init__(self) -> None:
        self._records: dict[str, ChildRecord] = {}
        self._headline = Text("Starting …")
        self._live = Live(console=Console(), auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def changed(self, record: ChildRecord) -> None:
        """Draw its row."""
        self._records[record.name] = record
        self._draw()

    def say(self, headline: str) -> None:
        """Draw the headline."""
        self._headline = Text(headline, style="bold" if headline.startswith("Ready") else "")
        self._draw()

    def _draw(self) -> None:
        table = Table("process", "state", "pid", "restarts", "why", box=None, pad_edge=False)
        for record in self._records.values():
            pid = str(record.process.pid) if record.process else ""
            table.add_row(record.name, str(record.state), pid, str(record.restarts), record.reason)
        self._live.update(Group(self._headline, table), refresh=True)
