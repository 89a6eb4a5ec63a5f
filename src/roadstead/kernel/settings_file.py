"""`roadstead.toml`, read once: each of its tables is for the part of the server that it is about."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path


class BadSettings(Exception):
    """The file can't be used; the text names the file and what to change."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a file holds, by the names of its tables. `private` says that nobody but its owner can read or write it."""

    path: Path
    tables: Mapping[str, object]
    private: bool

    def exposed(self, what: str) -> str | None:
        """What to say where the file holds `what` (`its secret`) and others can read it; None where they can't."""
        return None if self.private else f"{what} can be read by others: chmod 600 {self.path}"


def read_settings_file(path: Path, known: Collection[str]) -> SettingsFile:
    """The tables of a file, which may have the `known` ones only; raises BadSettings."""
    try:
        text, mode = path.read_text(encoding="utf-8"), path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} can't be read: {error}") from error
    try:
        tables: Mapping[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path} is not TOML: {error}") from error
    for name in tables:
        if name not in known:
            raise BadSettings(f"{path}: there is no table {name!r} in it: it can have {' and '.join(known)}")
    return SettingsFile(path, tables, private=not stat.S_IMODE(mode) & 0o077)
