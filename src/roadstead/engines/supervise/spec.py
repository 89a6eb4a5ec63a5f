"""What to supervise: a process as data."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from roadstead.engines.supervise.checks import Check, always_ready
from roadstead.engines.supervise.lifecycle import RestartPolicy


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process; times in seconds.

    `environment` adds to the supervisor's own. `check` says whether it is ready, within `ready_within` of its start. Afterwards,
    every `check_every`, its `health` is asked, or `check` where it has none: after `tolerated` failures in a row, each of at most
    `check_timeout`, it is replaced. A `health` of its own is for a process whose readiness depends on others: it has to pass for
    being ready too, and what only others can mend must not show in it.

    It is started when everything in `depends_on` is ready, or at once when it is `patient` and waits for them by itself; it is
    stopped before them, and not restarted when one of those is. `revision` changes when the program behind the same `argv` does,
    so that an old survivor is replaced.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    cwd: Path | None = None
    depends_on: tuple[str, ...] = ()
    patient: bool = False
    revision: str = ""
    check: Check = always_ready
    health: Check | None = None
    ready_within: float = 30.0
    check_every: float = 5.0
    check_timeout: float = 5.0
    tolerated: int = 3
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout: float = 10.0
    restart: RestartPolicy = field(default_factory=RestartPolicy)

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise ValueError(f"not a name for a process: {self.name!r}")
        if not self.argv or not self.argv[0].startswith("/"):
            raise ValueError(f"{self.name}: argv begins with the absolute path of a program")

    @property
    def fingerprint(self) -> str:
        """Equal for two specifications whose processes are interchangeable. Environment values don't show in it."""
        identity = [self.name, self.argv, sorted(self.environment.items()), str(self.cwd), self.revision]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()
