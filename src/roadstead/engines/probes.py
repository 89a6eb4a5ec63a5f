"""The versions that binaries on this machine showed, remembered for as long as the files don't change."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from roadstead.engines.elf import is_static
from roadstead.engines.recipe import Check
from roadstead.engines.subprocesses import run

_PROBE_SECONDS = 20.0


class Probe(msgspec.Struct, frozen=True):
    """What running a binary showed; `identity` says which file it was and how it was asked."""

    identity: str
    version: str | None
    static: bool


@dataclass(slots=True)
class Probes:
    """Remembered in memory and, when `path` is given, in a JSON file."""

    path: Path | None = None
    _known: dict[str, Probe] = field(default_factory=dict[str, Probe])
    _loaded: bool = False

    async def probe(self, binary: Path, check: Check) -> Probe:
        """The version of a binary (None when it shows none), from memory while neither file nor check changed."""
        self._load()
        asked = _identity(binary, check)
        known = self._known.get(str(binary))
        if known is not None and known.identity == asked:
            return known
        try:
            done = await run([binary, *check.arguments], deadline=_PROBE_SECONDS)
            version = check.version_in(done.output)
        except (OSError, TimeoutError):
            version = None  # not a program for this machine, or not the program we take it for
        probe = self._known[str(binary)] = Probe(asked, version, is_static(binary))
        self._save()
        return probe

    def _load(self) -> None:
        if self._loaded or self.path is None:
            return
        self._loaded = True
        try:
            self._known = msgspec.json.decode(self.path.read_bytes(), type=dict[str, Probe])
        except (OSError, msgspec.DecodeError):
            self._known = {}

    def _save(self) -> None:
        if self.path is None:
            return
        # Only a memory: where it can't be kept (another user's cache, a full disk) the next command asks again.
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".probes-", dir=self.path.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(self._known))
            Path(name).replace(self.path)


def _identity(binary: Path, check: Check) -> str:
    status = binary.stat()
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{check.arguments}:{check.pattern}"
