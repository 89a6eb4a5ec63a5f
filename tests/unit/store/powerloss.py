"""What a disk holds when the power goes: a model fed with the system calls of a process, as strace saw them.

Written bytes are lost unless the file was synced after the write had returned; a name (created, renamed) is lost unless its directory was
synced afterwards. Before the loss, a disk may have kept any part of what was not synced: `image` keeps a random choice of it, in
any order, torn at 512 bytes. What the model does not know: disks that lie about a sync, and mapped memory (SQLite's -shm
file is mapped, and made anew by whoever opens the database after a crash).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SYSCALLS = "openat,mkdir,rename,unlink,write,pwrite64,pwritev2,ftruncate,fsync,fdatasync"
"""What strace must trace, with -f -y -xx and strings in full."""

_SECTOR = 512
_LINE = re.compile(r"^(\d+) +(.*)$", re.DOTALL)
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$", re.DOTALL)
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?(?: .*)?$", re.DOTALL)
_DESCRIPTOR = re.compile(r"^(\d+)<([^>]*)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def _unescape(text: str) -> str:
    return bytes.fromhex(text.replace("\\x", "")).decode() if "\\x" in text else text


@dataclass(frozen=True)
class Call:
    """One system call that succeeded. `started` is the number of calls that had returned when it began."""

    name: str
    arguments: str
    result: int
    path: str
    started: int

    def strings(self) -> list[bytes]:
        return [bytes.fromhex(found.replace("\\x", "")) for found in _STRING.findall(self.arguments)]

    def number(self, place: int) -> int:
        """The argument at `place`, counted from the end with -1 for the last, when those behind it are numbers too."""
        return int(self.arguments.rsplit(",", -place)[1])


def read_calls(lines: Iterable[str]) -> Iterator[Call]:
    """The calls in the order in which they returned."""
    begun: dict[str, tuple[str, int]] = {}
    returned = 0
    for line in lines:
        match = _LINE.match(line.rstrip("\n"))
        if match is None:
            continue
        thread, text = match.groups()
        started = returned
        if text.endswith("<unfinished ...>"):
            begun[thread] = (text.removesuffix("<unfinished ...>").rstrip(), started)
            continue
        resumed = _RESUMED.match(text)
        if resumed is not None:
            head, started = begun.pop(thread)
            text = head + resumed.group(1)
        call = _CALL.match(text)
        if call is None or int(call.group(3)) < 0:
            continue
        name, arguments, result, result_path = call.groups()
        descriptor = _DESCRIPTOR.match(arguments)
        path = result_path or (descriptor.group(2) if descriptor else "")
        returned += 1
        yield Call(name, arguments, int(result), _unescape(path), started)


@dataclass
class _Write:
    offset: int
    data: bytes | None  # None: the file is cut at `offset`
    returned: int


@dataclass
class _File:
    synced: bytearray = field(default_factory=bytearray)
    unsynced: list[_Write] = field(default_factory=list)

    def sync(self, started: int) -> None:
        for write in [write for write in self.unsynced if write.returned <= started]:
            _apply(self.synced, write)
            self.unsynced.remove(write)


def _apply(content: bytearray, write: _Write) -> None:
    if write.data is None:
        del content[write.offset :]
        return
    if len(content) < write.offset:
        content.extend(bytes(write.offset - len(content)))
    content[write.offset : write.offset + len(write.data)] = write.data


class Disk:
    """The files below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[Path, _File | None] = {}
        self._synced_names: dict[Path, _File | None] = {}
        self._returned = 0
        self.syncs = 0

    def feed(self, call: Call) -> None:
        """Take the effect of one call."""
        self._returned += 1
        path = Path(call.path)
        match call.name:
            case "openat" if "O_CREAT" in call.arguments and self._ours(path):
                self._names.setdefault(path, _File())
            case "mkdir":
                self._names[Path(call.strings()[0].decode())] = None
            case "rename":
                old, new = (Path(text.decode()) for text in call.strings())
                self._names[new] = self._names.pop(old)
            case "unlink":
                self._names.pop(Path(call.strings()[0].decode()), None)
            case "pwrite64" if self._ours(path):
                self._write(path, call.number(-1), b"".join(call.strings())[: call.result])
            case "pwritev2" if self._ours(path):
                self._write(path, call.number(-2), b"".join(call.strings())[: call.result])
            case "ftruncate" if self._ours(path):
                self._write(path, call.number(-1), None)
            case "write" if self._ours(path):
                raise AssertionError("a write without an offset is not modelled")
            case "fsync" | "fdatasync" if self._ours(path) or path == self._root:
                self.syncs += 1
                self._sync(path, call.started)
            case _:
                pass

    def image(self, target: Path, chance: random.Random | None = None) -> None:
        """Write what survives below `target`; with `chance`, along with some of what was never synced."""
        names = dict(self._synced_names)
        if chance is not None:
            names.update(
                {path: file for path, file in self._names.items() if path not in names and chance.random() < 0.5}
            )
        for path, file in sorted(names.items()):
            place = target / path.relative_to(self._root)
            if not place.parent.is_dir():
                continue
            if file is None:
                place.mkdir()
            else:
                place.write_bytes(_with_some_unsynced(file, chance) if chance is not None else file.synced)

    def _ours(self, path: Path) -> bool:
        return self._root in path.parents and not path.name.endswith("-shm")

    def _write(self, path: Path, offset: int, data: bytes | None) -> None:
        file = self._names[path]
        assert file is not None
        file.unsynced.append(_Write(offset, data, self._returned))

    def _sync(self, path: Path, started: int) -> None:
        file = self._names.get(path)
        if file is not None:
            file.sync(started)
            return
        self._synced_names = {name: known for name, known in self._synced_names.items() if name.parent != path}
        self._synced_names.update({name: known for name, known in self._names.items() if name.parent == path})


def _with_some_unsynced(file: _File, chance: random.Random) -> bytes:
    content = bytearray(file.synced)
    kept = [write for write in file.unsynced if chance.random() < 0.5]
    chance.shuffle(kept)
    for write in kept:
        data = write.data
        if data is not None:
            data = data[: _SECTOR * chance.randint(0, len(data) // _SECTOR)] if chance.random() < 0.5 else data
        _apply(content, _Write(write.offset, data, 0))
    return bytes(content)
