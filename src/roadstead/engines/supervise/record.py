"""What the supervisor writes down for the next one and for other commands: DATA/supervisor.json."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from roadstead.engines.supervise.lifecycle import State
from roadstead.engines.supervise.process import ProcessIdentity, boot_id

_FILE = "supervisor.json"


class ChildRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One supervised process; `process` is None while there is none, `stop_timeout` is in seconds."""

    name: str
    state: State
    since: datetime
    process: ProcessIdentity | None
    fingerprint: str
    stop_signal: int
    stop_timeout: float
    restarts: int = 0
    adopted: bool = False
    was_ready: bool = False
    last_exit: int | None = None
    reason: str = ""
    """Why it is in this state, for people."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor and its children in the order in which they start."""

    boot_id: str
    supervisor: ProcessIdentity
    children: tuple[ChildRecord, ...]


def write_record(data: Path, record: Record) -> None:
    """Replace the record at once as a whole.

    Not flushed to the disk: after a power failure the boot id is another one, and the record void.
    """
    fresh = data / f"{_FILE}.{os.getpid()}"
    fresh.write_bytes(msgspec.json.encode(record))
    fresh.replace(data / _FILE)


def read_record(data: Path) -> Record | None:
    """The record of this boot, or None when there is none."""
    try:
        record = msgspec.json.decode((data / _FILE).read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return record if record.boot_id == boot_id() else None


def remove_record(data: Path) -> None:
    """There is nothing any more that somebody would have to find."""
    (data / _FILE).unlink(missing_ok=True)
