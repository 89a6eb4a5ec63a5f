"""Threads that move bytes for connections."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from roadstead.server import turns


async def test_a_turn_that_got_no_thread_is_not_taken_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    taken: list[str] = []
    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(turns, "_threads", threads)
        with monkeypatch.context() as without:
            without.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await turns.take_turn(lambda _: taken.append("given up"))
        await turns.take_turn(lambda _: taken.append("later"))
    assert taken == ["later"], "its descriptors may be somebody else's by then"
