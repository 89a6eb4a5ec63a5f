"""Processes that the supervisor's tests have it look after."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from roadstead.engines.supervise import (
    Check,
    ChildRecord,
    ProcessSpec,
    RestartPolicy,
    Supervisor,
    read_status,
)
from roadstead.engines.supervise.process import identify

DEADLINE = 30.0
QUICK = RestartPolicy(initial=0.01, maximum=0.05, healthy_after=0.05, attempts=3)


def spec(name: str, code: str = "import time; time.sleep(1000)", **changes: object) -> ProcessSpec:
    made = ProcessSpec(name, (sys.executable, "-c", code), restart=QUICK, stop_timeout=5.0, check_every=0.05)
    return replace(made, **changes)  # type: ignore[arg-type]


def file_appears(path: Path) -> Check:
    async def check() -> bool:
        return path.exists()

    return check


async def never() -> bool:
    return False


def child(source: Supervisor | Path, name: str) -> ChildRecord:
    status = read_status(source) if isinstance(source, Path) else source.status()
    return next(record for record in status.children if record.name == name)


def pid(source: Supervisor | Path, name: str) -> int:
    process = child(source, name).process
    assert process is not None
    return process.pid


def running(number: int) -> bool:
    """Whether there is a process with this id."""
    return identify(number) is not None
