"""Network namespaces that are bound to files, entered only by threads that end afterwards (namespaces(7), setns(2)).

A thread that changed its namespace must never go back to a pool, so each entry has a thread of its own. Netlink sockets belong to the
namespace of the thread that opens them: open them inside the function that `in_namespace` runs.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def namespace_exists(path: Path) -> bool:
    """Whether a namespace is bound to the file: a plain file left by a crash is not one."""
    try:
        return path.stat().st_dev == Path("/proc/self/ns/net").stat().st_dev
    except FileNotFoundError:
        return False


def create_namespace(path: Path) -> None:
    """Make an empty network namespace and bind it to `path`; does nothing where it exists. Raises OSError."""
    if namespace_exists(path):
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o444)

    def make() -> None:
        _check(_libc.unshare(_CLONE_NEWNET), "unshare")
        own = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        _check(_libc.mount(own.encode(), str(path).encode(), None, _MS_BIND, None), f"bind {path}")

    try:
        _in_thread(make)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def delete_namespace(path: Path) -> None:
    """Unbind a namespace; it goes when nothing runs in it any more. Does nothing where there is none. Raises OSError."""
    if namespace_exists(path):
        _check(_libc.umount2(str(path).encode(), _MNT_DETACH), f"unmount {path}")
    path.unlink(missing_ok=True)


def in_namespace(path: Path | None, function: Callable[[], T]) -> T:
    """Run `function` in a thread of its own inside a namespace (None: the caller's own) and return what it returns."""
    if path is None:
        return _in_thread(function)

    def enter() -> T:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.setns(fd, _CLONE_NEWNET), f"enter {path}")
        finally:
            os.close(fd)
        return function()

    return _in_thread(enter)


async def run_in_namespace(path: Path | None, function: Callable[[], T]) -> T:
    """`in_namespace` without blocking the loop; when cancelled, waits for the function first, which can't be interrupted."""
    work = asyncio.ensure_future(asyncio.to_thread(in_namespace, path, function))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


def _in_thread(function: Callable[[], T]) -> T:
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001 - carried to the caller, whatever it is
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="netns", daemon=True)
    thread.start()
    thread.join()
    return outcome.result()


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
