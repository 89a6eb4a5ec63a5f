"""Uploads that have begun, so that an interrupted push goes on where it stopped, for as long as the registry remembers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

_MAX_ENTRIES = 1000


def journal_path() -> Path:
    """`$XDG_STATE_HOME/roadstead/image-uploads.json`, by default below ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "roadstead" / "image-uploads.json"


class Journal:
    """Where each blob's upload goes on, by registry, repository and digest. Several processes may use one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, registry: str, repository: str, digest: str) -> str | None:
        """The location of an upload."""
        return _read(self._path).get(f"{registry} {repository} {digest}")

    def keep(self, registry: str, repository: str, digest: str, location: str | None) -> None:
        """Remember an upload, or forget it (None). A journal that can't be written is none: then nothing can be gone on with."""
        with suppress(OSError), self._changing() as entries:
            key = f"{registry} {repository} {digest}"
            entries.pop(key, None)
            if location is not None:
                entries[key] = location
            for old in list(entries)[: max(0, len(entries) - _MAX_ENTRIES)]:
                del entries[old]

    @contextmanager
    def _changing(self) -> Generator[dict[str, str]]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = _read(self._path)
            yield entries
            temporary = self._path.with_suffix(".new")
            temporary.touch(mode=0o600)
            temporary.write_bytes(msgspec.json.encode(entries))
            temporary.replace(self._path)


def _read(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):  # one that is damaged, or out of reach, costs what was uploaded, no more
        return {}
