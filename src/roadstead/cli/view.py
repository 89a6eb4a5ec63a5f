"""What `roadstead up` shows: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Protocol

from roadstead.cli.settings import Config
from roadstead.engines.supervise import ChildRecord


class View(AbstractContextManager["View"], Protocol):
    """Follows the supervisor's processes from the first start to the last stop."""

    def changed(self, record: ChildRecord) -> None:
        """A process changed its state."""
        ...

    def say(self, headline: str) -> None:
        """The deployment as a whole changed its state."""
        ...


def view_of_terminal() -> View:
    """The view that fits standard output."""
    if sys.stdout.isatty():
        from roadstead.cli.live_view import LiveView

        return LiveView()
    return Lines()


def ready_text(data: Path, config: Config, seconds: float) -> str:
    """What to say when everything answers, `seconds` after the start."""
    return (
        f"Ready in {seconds:.2f} s · {config.endpoint} · account {config.account} · {config.region}"
        f" · Fargate on {config.fargate_runtime}\n"
        f'Use it: eval "$(roadstead env --data {data})" && aws ecs list-clusters\n'
        f"Ctrl-C here, or `roadstead down --data {data}`, stops and frees everything."
    )


def stopping_text(*, keep: bool) -> str:
    """What to say when the user wants an end."""
    return "Stopping, tasks stay …" if keep else "Stopping tasks and freeing everything …"


class Lines(View):
    """One line a change."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    def changed(self, record: ChildRecord) -> None:
        """Tell of a new state, once."""
        if self._states.get(record.name) != record.state:
            self._states[record.name] = record.state
            self.say(f"{record.name} {record.state}{f': {record.reason}' if record.reason else ''}")

    def say(self, headline: str) -> None:
        """Write it, or give it up: on a full disk what is supervised goes on."""
        with contextlib.suppress(OSError):
            sys.stdout.write(headline + "\n")
            sys.stdout.flush()
