"""What a tar file holds and where, read from its headers alone (POSIX.1-2001 pax; GNU long names). Nothing is ever unpacked.

An archive comes from anywhere: names that lead out of it, sizes beyond its end, headers as large as memory and endless lists are refused.
"""

from __future__ import annotations

import tarfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from roadstead.images.errors import BadArchive

BLOCK = 512
MAX_ENTRIES = 200_000
_MAX_EXTENSION = 1 << 20
"""The bytes of a pax header or GNU long name."""
_MAX_LINKS = 8
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE)
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A member. `offset` is where its `size` bytes of content start; `link` is the name that a link leads to."""

    name: str
    header: int
    offset: int
    size: int
    link: str | None = None
    is_directory: bool = False

    @property
    def end(self) -> int:
        """Where the next header starts."""
        return self.offset + _rounded(self.size)


class TarIndex:
    """The files of an archive by their normalized names."""

    def __init__(self, entries: dict[str, Entry], label: str) -> None:
        self._entries = entries
        self._label = label

    @classmethod
    def read(cls, file: BinaryIO, label: str) -> TarIndex:
        """Index a seekable tar file; `label` names it in errors. Raises BadArchive."""
        entries: dict[str, Entry] = {}
        for entry in entries_of(file, label):
            if entry.is_directory:
                continue
            if entry.name in entries:
                raise BadArchive(f"{label} holds {entry.name!r} twice")
            entries[entry.name] = entry
        return cls(entries, label)

    def find(self, name: str) -> Entry | None:
        """The file of this name, through links within the archive; None where there is none. Raises BadArchive for links that turn."""
        for _ in range(_MAX_LINKS):
            entry = self._entries.get(name)
            if entry is None or entry.link is None:
                return entry
            name = entry.link
        raise BadArchive(f"{self._label}: the links of {name!r} lead in a circle")


def entries_of(file: BinaryIO, label: str, *, partial: bool = False) -> Generator[Entry]:
    """Every member in order. Raises BadArchive; with `partial`, a file that is cut short just ends."""
    length = file.seek(0, 2)
    position = 0
    extended: dict[str, str] = {}
    for _ in range(MAX_ENTRIES):
        header = _header(file, position, length, label, partial=partial)
        if header is None:
            return
        content = position + BLOCK
        size = _number(extended.get("size"), header.size, label)
        if size < 0:
            raise BadArchive(f"{label} has an entry of {size} bytes at byte {position}")
        if header.type in _EXTENSIONS:
            if content + size > length and partial:
                return
            extended.update(_extension(file, header, content, length, label))
            position = content + _rounded(size)
            continue
        name = _normalized(extended.get("path") or header.name, label)
        kept = size if header.type in _FILES else 0
        if content + kept > length and not partial:
            raise BadArchive(f"{label} is cut short: {name!r} has {kept} bytes, and {length - content} are there")
        if header.type in _LINKS:
            target = extended.get("linkpath") or header.linkname
            yield Entry(name, position, content, 0, link=_link(name, target, header.type, label))
        elif header.type in _FILES or header.type == tarfile.DIRTYPE:
            yield Entry(name, position, content, kept, is_directory=header.type == tarfile.DIRTYPE)
        else:
            raise BadArchive(f"{label}: {name!r} is neither file, directory nor link")
        position = content + _rounded(kept)
        extended = {}
    raise BadArchive(f"{label} has more than {MAX_ENTRIES} entries")


def _header(file: BinaryIO, position: int, length: int, label: str, *, partial: bool) -> tarfile.TarInfo | None:
    """The header at `position`, or None at the archive's end."""
    file.seek(position)
    block = file.read(BLOCK)
    if len(block) < BLOCK:
        if partial or (position > 0 and not block):
            return None
        raise BadArchive(f"{label} is no tar file, or is cut short at byte {position} of {length}")
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape") if block.strip(b"\0") else None
    except (tarfile.HeaderError, ValueError) as error:
        if partial:
            return None
        raise BadArchive(f"{label} is no tar file: {error} at byte {position}") from error


def _extension(file: BinaryIO, header: tarfile.TarInfo, content: int, length: int, label: str) -> dict[str, str]:
    """What a pax header or a GNU long name says of the entry that follows."""
    if header.size > _MAX_EXTENSION or content + header.size > length:
        raise BadArchive(f"{label} has a header of {header.size} bytes at byte {content - BLOCK}")
    file.seek(content)
    raw = file.read(header.size)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": raw.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    if header.type == tarfile.GNUTYPE_LONGLINK:
        return {"linkpath": raw.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    if header.type == tarfile.XGLTYPE:
        return {}
    return _pax(raw, label)


def _pax(raw: bytes, label: str) -> dict[str, str]:
    """The records of a pax header: length, key and value of each, and a line's end."""
    found: dict[str, str] = {}
    while raw:
        digits, space, _ = raw.partition(b" ")
        length = int(digits) if space and digits.isdigit() and len(digits) < 10 else 0
        key, equals, value = raw[len(digits) + 1 : length - 1].partition(b"=")
        if not equals or not len(digits) + 2 < length <= len(raw) or raw[length - 1 : length] != b"\n":
            raise BadArchive(f"{label} has a pax header that can't be read")
        found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        raw = raw[length:]
    return found


def _number(text: str | None, otherwise: int, label: str) -> int:
    if text is None:
        return otherwise
    if not text.isdecimal() or len(text) > 19:
        raise BadArchive(f"{label} has an entry of {text[:40]!r} bytes")
    return int(text)


def _normalized(name: str, label: str) -> str:
    """The name without `./` and doubled slashes; raises BadArchive for one that leads out of the archive."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise BadArchive(f"{label} holds {name!r}, which leads out of it")
    return str(path)


def _link(name: str, target: str, kind: bytes, label: str) -> str:
    """Where a link leads within the archive."""
    if kind == tarfile.LNKTYPE:
        return _normalized(target, label)
    parts: list[str] = list(PurePosixPath(name).parent.parts)
    for part in PurePosixPath(target).parts:
        if part == "/" or (part == ".." and not parts):
            raise BadArchive(f"{label}: the link {name!r} leads out of it, to {target!r}")
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return str(PurePosixPath(*parts))


def _rounded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
