"""One supervisor a data directory, and before that one process that means to become it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from roadstead.engines.supervise.process import ProcessIdentity, identify, is_alive, is_ending

# A killed supervisor may have been about to start a child, which holds all its descriptors until it executes its program.
_LAST_BREATH_SECONDS = 2.0
_POLL_SECONDS = 0.01
_SUPERVISING = "lock"
_BEGINNING = "beginning"


class AlreadySupervised(Exception):
    """Another supervisor has this data directory; `pid` is its process, 0 when it has not told yet."""

    def __init__(self, data: Path, pid: int) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{data} is in use by {who}; stop it with `roadstead down --data {data}` or choose another one"
        )
        self.pid = pid


def data_lock(data: Path) -> contextlib.AbstractAsyncContextManager[None]:
    """Hold DATA/lock, which tells who we are; raises AlreadySupervised. The kernel frees it when we die."""
    return _locked(data, _SUPERVISING)


def beginning(data: Path) -> contextlib.AbstractAsyncContextManager[None]:
    """The same with DATA/beginning: for as long as there is nothing to supervise yet, so that who wants to stop us finds us."""
    return _locked(data, _BEGINNING)


def lock_holder(data: Path) -> ProcessIdentity | None:
    """The living process that holds DATA/lock; None where nobody does, or it has not told yet who it is."""
    return _living_holder(data / _SUPERVISING)


def beginner(data: Path) -> ProcessIdentity | None:
    """The living process that holds DATA/beginning, as above."""
    return _living_holder(data / _BEGINNING)


@contextlib.asynccontextmanager
async def _locked(data: Path, name: str) -> AsyncGenerator[None, None]:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _acquire(descriptor, data)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(identify(os.getpid())), 0)
        yield
    finally:
        os.close(descriptor)


def _living_holder(lock: Path) -> ProcessIdentity | None:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        holder = _holder(descriptor)
        if holder is None or not is_alive(holder) or _try_lock(descriptor):  # alive, but it has given the lock back
            return None
        return holder
    finally:
        os.close(descriptor)


async def _acquire(descriptor: int, data: Path) -> None:
    """Take the lock; wait for a dead holder's last breath, but for no living one."""
    deadline = asyncio.get_running_loop().time() + _LAST_BREATH_SECONDS
    while not _try_lock(descriptor):
        holder = _holder(descriptor)
        if holder is not None and is_alive(holder) and not is_ending(holder.pid):
            raise AlreadySupervised(data, holder.pid)
        if asyncio.get_running_loop().time() > deadline:
            raise AlreadySupervised(data, 0)
        await asyncio.sleep(_POLL_SECONDS)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> ProcessIdentity | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, 256, 0), type=ProcessIdentity)
    except msgspec.DecodeError:
        return None
