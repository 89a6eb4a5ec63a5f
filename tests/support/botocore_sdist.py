"""botocore's own test vectors, read from the source distribution of exactly the installed version.

They are in no wheel and are never copied into this repository. pip fetches the archive once; it is cached under
XDG_CACHE_HOME/roadstead/test-vectors/VERSION, shared by test workers, and appears there whole or not at all.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import botocore

WANTED = ("tests/unit/protocols/", "tests/unit/auth/aws4_testsuite/")
PIP_TIMEOUT = 300


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "roadstead" / "test-vectors"


@cache
def vectors() -> Path:
    """The directory `tests/unit` of the source distribution, with `protocols` and `auth/aws4_testsuite` in it."""
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    home = root / botocore.__version__
    with _locked(root / f"{botocore.__version__}.lock"):
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=root, prefix=".fetching-") as scratch:
                extracted = _extract(_download(Path(scratch)), Path(scratch) / "extracted")
                extracted.rename(home)
    return home / "tests" / "unit"


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(folder: Path) -> Path:
    """Fetches the archive with pip, which also prepares its metadata in a build environment of its own."""
    requirement = f"botocore=={botocore.__version__}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-binary",
        "botocore",
        "-d",
        str(folder),
        requirement,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT, check=False)
    archives = list(folder.glob("botocore-*.tar.gz"))
    if done.returncode != 0 or len(archives) != 1:
        raise RuntimeError(
            f"pip could not fetch the source distribution of {requirement}:\n{done.stdout}\n{done.stderr}"
        )
    return archives[0]


def _extract(archive: Path, into: Path) -> Path:
    prefix = archive.name.removesuffix(".tar.gz") + "/"
    with tarfile.open(archive) as tar:
        for member in tar:
            inside = member.name.removeprefix(prefix)
            if member.isfile() and inside.startswith(WANTED):
                target = into / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None
                with source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    if not (into / "tests" / "unit" / "protocols" / "input").is_dir():
        raise RuntimeError(f"{archive.name} holds no protocol vectors")
    return into
