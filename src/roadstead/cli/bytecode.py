"""Compiled Python is kept, also where the environment forbids it beside the sources: compiling anew takes seconds of each start."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def keep_bytecode() -> None:
    """Keep compiled modules in the user's cache when PYTHONDONTWRITEBYTECODE is set; what the sources hold is respected otherwise."""
    if not sys.dont_write_bytecode or sys.pycache_prefix is not None:
        return
    configured = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".cache"
    except RuntimeError:  # no home directory: there is nowhere to keep anything
        return
    sys.pycache_prefix = str(base / "roadstead" / "python")
    sys.dont_write_bytecode = False
