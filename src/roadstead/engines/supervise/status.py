"""How a data directory's processes stand, seen from outside the supervisor; and stopping them from there."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import msgspec

from roadstead.engines.supervise.lifecycle import State
from roadstead.engines.supervise.lock import beginner, data_lock, lock_holder
from roadstead.engines.supervise.process import hold, is_alive
from roadstead.engines.supervise.record import ChildRecord, read_record, remove_record
from roadstead.engines.supervise.survivors import end_survivors

_POLL_SECONDS = 0.02


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The supervisor's pid, None when it is dead or was never there, and its processes in the order of their start.

    `fault` is what the supervisor itself suffers from, known only inside it.
    """

    supervisor: int | None
    children: tuple[ChildRecord, ...]
    fault: str = ""


def read_status(data: Path) -> Status:
    """What the supervisor of this directory wrote last; processes are looked at, so that nothing dead is shown alive."""
    record = read_record(data)
    if record is None:
        return Status(supervisor=None, children=())
    if is_alive(record.supervisor):
        return Status(supervisor=record.supervisor.pid, children=record.children)
    return Status(supervisor=None, children=tuple(_without_supervisor(child) for child in record.children))


class StillBeginning(Exception):
    """A process has the data directory and can't be told to stop yet: it meets what an earlier supervisor left."""

    def __init__(self, data: Path, pid: int) -> None:
        super().__init__(f"process {pid} has begun to use {data} and can't be told to stop yet; try again in a moment")
        self.pid = pid


async def until_recorded(data: Path, patience: float = 15.0) -> None:
    """Return once a supervisor that has taken the directory has written its record, by which others find it; at once where nobody has.

    Raises StillBeginning after `patience` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while read_status(data).supervisor is None:
        holder = lock_holder(data)
        if holder is None:
            return
        if loop.time() > deadline:
            raise StillBeginning(data, holder.pid)
        await asyncio.sleep(_POLL_SECONDS)


async def stop_beginner(data: Path, deadline: float) -> bool:
    """End a process that means to supervise this directory and has not begun to, and wait for that; False where there is none.

    Raises TimeoutError after `deadline` seconds.
    """
    identity = beginner(data)
    process = hold(identity) if identity is not None else None
    if process is None:
        return False
    with contextlib.closing(process):
        process.send(signal.SIGTERM)
        async with asyncio.timeout(deadline):
            await process.ended()
    return True


def _without_supervisor(child: ChildRecord) -> ChildRecord:
    if child.process is not None and is_alive(child.process):
        return msgspec.structs.replace(child, reason="its supervisor is gone")
    return msgspec.structs.replace(child, process=None, state=State.STOPPED, reason="its supervisor is gone")


async def shut_down(
    data: Path, *, request: signal.Signals = signal.SIGTERM, deadline: float | None = None
) -> list[str]:
    """Stop what runs on this data directory and wait for it; returns the names of the processes that ran.

    A living supervisor gets the signal `request` and stops them itself; otherwise the survivors are stopped here, in
    order. Raises TimeoutError after `deadline` seconds, and AlreadySupervised when another supervisor begins meanwhile.
    """
    async with asyncio.timeout(deadline):
        record = read_record(data)
        if record is None:
            return []
        running = [c.name for c in record.children if c.process is not None and is_alive(c.process)]
        supervisor = hold(record.supervisor)
        if supervisor is not None:
            with contextlib.closing(supervisor):
                supervisor.send(request)
                await supervisor.ended()
        async with data_lock(data):
            left = read_record(data)  # none, when the supervisor came to its end in good order
            if left is not None:
                await end_survivors(left.children)
                remove_record(data)
        return running
