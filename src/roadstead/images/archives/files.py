"""The files of an archive, whether it is a directory, a tar file or a compressed one. Reading blocks, so it is done in threads."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import stat
import tempfile
import zlib
from bz2 import BZ2File
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from gzip import GzipFile
from lzma import LZMAFile
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from roadstead.images.archives.tar_index import TarIndex
from roadstead.images.errors import BadArchive

CHUNK = 1 << 20
MAX_JSON_BYTES = 16 << 20
"""The longest index or list of images that is read into memory."""

_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"
_ZSTD = b"\x28\xb5\x2f\xfd"


class Files(Protocol):
    """Files by name. Every method raises BadArchive."""

    label: str

    def size(self, name: str) -> int | None:
        """The bytes of a file, None where there is none."""
        ...

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """A file to read from, and the offset in it where the content starts; the caller closes it."""
        ...


class Directory:
    """The files of a directory. What a symbolic link leads to is none of them, and no name leads out of it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.label = str(root)

    def size(self, name: str) -> int | None:
        """The bytes of a regular file."""
        path = self._path(name)
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(found.st_mode):
            raise BadArchive(f"{path} is no regular file")
        return found.st_size

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """The file itself."""
        if self.size(name) is None:
            raise BadArchive(f"{self.label} has no {name}")
        return self._path(name).open("rb"), 0

    def _path(self, name: str) -> Path:
        path = self._root / name
        if "\0" in name or not path.parent.resolve().is_relative_to(self._root.resolve()):
            raise BadArchive(f"{self.label} names {name!r}, which leads out of it")
        return path


class TarFiles:
    """The files of a tar file."""

    def __init__(self, path: Path, index: TarIndex, label: str) -> None:
        self._path = path
        self._index = index
        self.label = label

    def size(self, name: str) -> int | None:
        """The bytes of a member."""
        entry = self._index.find(name)
        return None if entry is None else entry.size

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """The archive, and where the member starts in it."""
        entry = self._index.find(name)
        if entry is None:
            raise BadArchive(f"{self.label} has no {name}")
        return self._path.open("rb"), entry.offset


@contextmanager
def open_files(path: Path) -> Generator[Files]:
    """The files of an archive; a compressed one is unpacked into a temporary file meanwhile. Raises BadArchive."""
    if path.is_dir():
        yield Directory(path)
        return
    try:
        with path.open("rb") as file:
            magic = file.read(6)
            if magic.startswith(_ZSTD):
                raise BadArchive(f"{path} is compressed with zstd; unpack it first: zstd -d {path}")
            file.seek(0)
            if not magic.startswith((_GZIP, _BZIP2, _XZ)):
                yield TarFiles(path, TarIndex.read(file, str(path)), str(path))
                return
            with tempfile.NamedTemporaryFile(prefix="roadstead-image-") as plain:
                unpacked = cast("BinaryIO", plain)
                with _unpacker(file, magic) as packed:
                    _unpack(packed, unpacked, path)
                yield TarFiles(Path(plain.name), TarIndex.read(unpacked, str(path)), str(path))
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise BadArchive(f"{path} can't be read: {error.strerror}") from error


def read_json(files: Files, name: str) -> bytes:
    """A small file, whole; raises BadArchive when it is missing or not small."""
    return read_small(files, name, MAX_JSON_BYTES)


def read_small(files: Files, name: str, limit: int) -> bytes:
    """A file of at most `limit` bytes, whole."""
    size = files.size(name)
    if size is None:
        raise BadArchive(f"{files.label} has no {name}")
    if size > limit:
        raise BadArchive(f"{files.label}: {name} has {size} bytes, and should have {limit} at most")
    file, offset = files.open(name)
    with file:
        file.seek(offset)
        return file.read(size)


async def stream(files: Files, name: str, start: int = 0) -> AsyncGenerator[bytes]:
    """A file's content from byte `start` on, in chunks."""
    size = await asyncio.to_thread(files.size, name)
    if size is None:
        raise BadArchive(f"{files.label} has no {name}")
    file, offset = await asyncio.to_thread(files.open, name)
    with file:
        file.seek(offset + start)
        left = size - start
        while left > 0:
            chunk = await asyncio.to_thread(file.read, min(CHUNK, left))
            if not chunk:
                raise BadArchive(f"{files.label} is cut short in {name}")
            left -= len(chunk)
            yield chunk


def _unpacker(file: BinaryIO, magic: bytes) -> GzipFile | BZ2File | LZMAFile:
    if magic.startswith(_GZIP):
        return gzip.open(file)
    return bz2.open(file) if magic.startswith(_BZIP2) else lzma.open(file)


def _unpack(packed: GzipFile | BZ2File | LZMAFile, plain: BinaryIO, path: Path) -> None:
    try:
        while chunk := packed.read(CHUNK):
            plain.write(chunk)
        plain.flush()
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise BadArchive(f"{path} can't be unpacked: {error}") from error
    except OSError as error:
        raise BadArchive(f"{path} can't be unpacked into {tempfile.gettempdir()}: {error}") from error
