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
    began = time.monotonic()
    while not (answer := _ask(question, what, seconds, began)):
        time.sleep(PAUSE)
    return answer


async def reached(question: Callable[[], T | None], what: str = "it", seconds: float = 10.0) -> T:
    """The same on an event loop that others work on."""
    began = time.monotonic()
    while not (answer := _ask(question, what, seconds, began)):  # noqa: ASYNC110 - what is asked has no event
        await asyncio.sleep(PAUSE)
    return answer


def _ask(question: Callable[[], T | None], what: str, seconds: float, began: float) -> T | None:
    answer = question()
    if not answer and time.monotonic() > began + seconds:
        raise AssertionError(f"{what}: not within {seconds} s")
    return answer
