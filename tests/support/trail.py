"""Trails for tests of what does not look at them."""

from __future__ import annotations

from pathlib import Path

from roadstead.audit.settings import TrailSettings
from roadstead.audit.trail import Trail


def no_trail() -> Trail:
    """One that keeps nothing."""
    return Trail(TrailSettings(Path("/nonexistent"), "test", "000000000000", "us-east-1", kept_bytes=0))
