"""Waiting for what has no event: asked again and again, for a bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.01


def until(question: Callable[[], T | None], what: str = "it", seconds: float = 60.0) -> T:
    """Ask until the answer is true, and return it; fails with `what` was awaited after some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(PAUSE)


async def reached(question: Callable[[], T | None], what: str = "it", seconds: float = 10.0) -> T:
    """The same on an event loop that others work on."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        await asyncio.sleep(PAUSE)
