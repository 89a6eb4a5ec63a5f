"""The cache of engines: ROOT/NAME/VERSION/KEY/{bin/...,manifest.json}.

KEY is a hash of everything that decides what the binaries are, so a changed recipe never finds an old build. A directory
appears there whole or not at all: it is filled beside its place, flushed to the disk and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from roadstead.engines.errors import EngineError, UnknownEngine
from roadstead.engines.recipe import Recipe
from roadstead.kernel.people import person_home

MANIFEST = "manifest.json"
_FOLDER = Path("roadstead", "engines")


class FileRecord(msgspec.Struct, frozen=True):
    """A file as it was installed; `size` in bytes."""

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was installed, from where and when; `origin` is the provider's own account (URL, modules, toolchain)."""

    engine: str
    version: str
    provider: str
    key: str
    architecture: str
    installed_at: datetime
    files: dict[str, FileRecord]
    origin: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class InstalledEngine:
    """An engine that can be run: where its files are and which provider they came from."""

    name: str
    version: str
    provider: str
    files: Mapping[str, Path]

    def path(self, file: str) -> Path:
        """The absolute path of one of its files; raises UnknownEngine when it has no such file."""
        try:
            return self.files[file]
        except KeyError:
            raise UnknownEngine(f"{self.name} has no file {file}; it has {', '.join(self.files)}") from None


class Staging:
    """A directory that becomes an installed engine when `commit` is called, and vanishes otherwise."""

    def __init__(self, cache: Cache, recipe: Recipe, provider: str, key: str, architecture: str, root: Path) -> None:
        self._cache = cache
        self._recipe = recipe
        self._provider = provider
        self._key = key
        self._architecture = architecture
        self._root = root
        self.bin = root / "bin"
        self.scratch = root / "scratch"
        self.bin.mkdir()
        self.scratch.mkdir()

    def commit(self, origin: Mapping[str, str], version: str = "") -> InstalledEngine:
        """Record checksums, flush everything and move it into place; blocking, for a worker thread.

        `version` is what was installed, where it is not the recipe's.
        """
        _remove_tree(self.scratch)
        missing = [file for file in self._recipe.files if not (self.bin / file).is_file()]
        if missing:
            raise EngineError(f"{self._provider} left no {', '.join(missing)} of {self._recipe.name}")
        manifest = Manifest(
            engine=self._recipe.name,
            version=version or self._recipe.version,
            provider=self._provider,
            key=self._key,
            architecture=self._architecture,
            installed_at=datetime.now(UTC),
            files={path.name: _seal(path) for path in sorted(self.bin.iterdir())},
            origin=dict(origin),
        )
        (self._root / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        (self._root).chmod(0o755)
        for path in (self._root / MANIFEST, self.bin, self._root):
            _fsync(path)
        place = self._cache.place(self._recipe, self._key)
        shutil.rmtree(place, ignore_errors=True)  # only ever a damaged one: the caller looked under the lock
        self._root.rename(place)
        _fsync(place.parent)
        installed = self._cache.find(self._recipe, self._key)
        assert installed is not None
        return installed


@dataclass(frozen=True, slots=True)
class Cache:
    """The engines under one root."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """The user's: $XDG_CACHE_HOME/roadstead/engines, or ~/.cache/roadstead/engines (XDG base directories).

        Behind sudo it is the caller's, where that has engines already: root need not build again what `make setup` built.
        """
        configured = os.environ.get("XDG_CACHE_HOME", "")
        if Path(configured).is_absolute():
            return cls(Path(configured) / _FOLDER)
        callers = person_home() / ".cache" / _FOLDER
        return cls(callers if callers.is_dir() else Path.home() / ".cache" / _FOLDER)

    def place(self, recipe: Recipe, key: str) -> Path:
        """Where a recipe's installation with this key lies."""
        return self.root / recipe.name / recipe.version / key

    def lock_path(self, recipe: Recipe) -> Path:
        """The lock that the installer of this engine holds."""
        return self.root / recipe.name / ".lock"

    def downloads(self, recipe: Recipe) -> Path:
        """Where unfinished downloads of this engine wait to be resumed."""
        return self.root / recipe.name / ".downloads"

    @property
    def build_lock_path(self) -> Path:
        """The lock that whoever compiles holds: compilers want too much memory to run side by side."""
        return self.root / ".build.lock"

    def manifest(self, recipe: Recipe, key: str) -> Manifest | None:
        """The record of an installation, or None when there is none that can be read."""
        try:
            return msgspec.json.decode((self.place(recipe, key) / MANIFEST).read_bytes(), type=Manifest)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def find(self, recipe: Recipe, key: str) -> InstalledEngine | None:
        """The installation, when every file is there with its recorded size. Costs one read and a stat a file."""
        manifest = self.manifest(recipe, key)
        if manifest is None:
            return None
        directory = self.place(recipe, key) / "bin"
        for file, record in manifest.files.items():
            try:
                size = (directory / file).stat().st_size
            except FileNotFoundError:
                return None
            if size != record.size:
                return None
        files = {file: directory / file for file in manifest.files}
        return InstalledEngine(manifest.engine, manifest.version, manifest.provider, files)

    def damaged(self, recipe: Recipe, key: str) -> list[str]:
        """The files whose content no longer has the recorded checksum; blocking, for a worker thread."""
        manifest = self.manifest(recipe, key)
        if manifest is None:
            return []
        directory = self.place(recipe, key) / "bin"
        return [
            file
            for file, record in manifest.files.items()
            if not (directory / file).is_file() or sha256_of(directory / file) != record.sha256
        ]

    def discard(self, recipe: Recipe, key: str) -> None:
        """Remove an installation, if there is one; its manifest first, so that no half of it counts."""
        place = self.place(recipe, key)
        if place.exists():
            (place / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(place)

    @contextlib.contextmanager
    def staging(self, recipe: Recipe, provider: str, key: str, architecture: str) -> Generator[Staging, None, None]:
        """A directory beside the final place; removed unless it was committed."""
        parent = self.place(recipe, key).parent
        parent.mkdir(parents=True, exist_ok=True)
        root = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=parent))
        try:
            yield Staging(self, recipe, provider, key, architecture, root)
        finally:
            if root.exists():
                _remove_tree(root)

    def sweep(self, recipe: Recipe) -> None:
        """Remove what installers that were killed left behind; only the holder of the engine's lock may call it."""
        for left in (self.root / recipe.name).glob("*/.*-*"):
            _remove_tree(left)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(path: Path) -> FileRecord:
    if not path.is_symlink():
        path.chmod(0o755)
        _fsync(path)
    return FileRecord(sha256_of(path), path.stat().st_size)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_tree(root: Path) -> None:
    """Remove a directory, read-only ones below it included: Go keeps its modules so, and copies of them are too."""
    for directory, _, _ in os.walk(root):
        Path(directory).chmod(0o755)
    shutil.rmtree(root)
