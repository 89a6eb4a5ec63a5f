"""Telling the kernel to begin writing a file's pages out, so that the fsync at the end finds little left to do."""

from __future__ import annotations

import ctypes

_WRITE = 2
"""SYNC_FILE_RANGE_WRITE: start writing dirty pages of the range, wait for none."""

_sync_file_range = ctypes.CDLL(None, use_errno=True).sync_file_range
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_sync_file_range.restype = ctypes.c_int


def begin_writeback(descriptor: int, offset: int, length: int) -> None:
    """Start to write `length` bytes at `offset` out (sync_file_range(2)), which makes nothing durable.

    A hint: a file system that can't, or a disk that fails, shows in the fsync that has to follow.
    """
    _sync_file_range(descriptor, offset, length, _WRITE)
