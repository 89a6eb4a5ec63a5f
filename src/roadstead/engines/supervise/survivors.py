"""Processes that outlived their supervisor: ending them without it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from signal import SIGKILL, Signals

from roadstead.engines.supervise.process import hold
from roadstead.engines.supervise.record import ChildRecord


async def end_survivors(children: Iterable[ChildRecord]) -> list[str]:
    """Stop those that still run, the last started first, each as its record says; returns their names."""
    return [child.name for child in reversed(list(children)) if await _end(child)]


async def _end(child: ChildRecord) -> bool:
    """Stop one and wait for its end; False when exactly that process no longer runs."""
    handle = hold(child.process) if child.process is not None else None
    if handle is None:
        return False
    with contextlib.closing(handle):
        handle.send(Signals(child.stop_signal))
        try:
            async with asyncio.timeout(child.stop_timeout):
                await handle.ended()
        except TimeoutError:
            handle.send(SIGKILL)
            await handle.ended()
    return True
