"""Where a trail is, and how much of it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = "audit"
SEGMENT_BYTES = 32 * 1024 * 1024
KEPT_MEGABYTES = 512


@dataclass(frozen=True, slots=True)
class TrailSettings:
    """`folder` holds the files; `kept_bytes` bounds them all, 0 keeps no trail; `server`, `account` and `region` name whose it is."""

    folder: Path
    server: str
    account: str
    region: str
    kept_bytes: int = KEPT_MEGABYTES * 1024 * 1024
    segment_bytes: int = SEGMENT_BYTES
