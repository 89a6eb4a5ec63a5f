"""Waiting for files to change without polling (inotify(7)); Python's library has no binding."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

IN_MODIFY = 0x02
IN_CREATE = 0x100
IN_DELETE_SELF = 0x400
IN_MOVED_TO = 0x80
_NONBLOCK = 0o4000
_CLOEXEC = 0o2000000
_EVENT = struct.Struct("iIII")
_READ = 64 << 10


class Inotify:
    """One inotify instance. Its descriptor is readable when a watched file changed."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._check(self._library.inotify_init1(_NONBLOCK | _CLOEXEC))

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._descriptor

    def watch(self, path: Path, mask: int) -> int:
        """Watch a file or directory; the watch's number. Raises OSError."""
        return self._check(self._library.inotify_add_watch(self._descriptor, os.fsencode(path), ctypes.c_uint32(mask)))

    def unwatch(self, watch: int) -> None:
        """End a watch; no error if the file is gone."""
        self._library.inotify_rm_watch(self._descriptor, watch)

    def changed(self) -> set[int]:
        """The watches that fired since the last call; never blocks."""
        fired: set[int] = set()
        while True:
            try:
                content = os.read(self._descriptor, _READ)
            except BlockingIOError:
                return fired
            position = 0
            while position < len(content):
                watch, _, _, length = _EVENT.unpack_from(content, position)
                fired.add(watch)
                position += _EVENT.size + length

    def close(self) -> None:
        """Close the descriptor and all watches."""
        os.close(self._descriptor)

    def _check(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
