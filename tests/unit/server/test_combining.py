from __future__ import annotations

import asyncio
from typing import Any, cast

from roadstead.server.combining import MAX_HELD, CombiningTransport


class Recorder:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


def combining() -> tuple[CombiningTransport, list[object]]:
    recorder = Recorder()
    return CombiningTransport(cast("asyncio.Transport", recorder), asyncio.get_running_loop()), recorder.calls


async def test_what_is_written_in_one_step_is_sent_once():
    transport, calls = combining()
    transport.write(b"head ")
    transport.write(b"body")
    assert calls == []
    await asyncio.sleep(0)
    transport.write(b"next")
    await asyncio.sleep(0)
    assert calls == [b"head body", b"next"]


async def test_much_is_sent_at_once():
    transport, calls = combining()
    transport.write(b"x" * MAX_HELD)
    assert calls == []
    transport.write(b"y")
    assert calls == [b"x" * MAX_HELD + b"y"]
    await asyncio.sleep(0)
    assert len(calls) == 1


async def test_what_waits_is_sent_before_the_end():
    transport, calls = combining()
    transport.write(b"a")
    transport.write_eof()
    transport.write(b"b")
    transport.close()
    await asyncio.sleep(0)
    assert calls == [b"a", "write_eof", b"b", "close"]


async def test_what_waits_is_dropped_with_the_connection():
    transport, calls = combining()
    transport.write(b"a")
    transport.abort()
    await asyncio.sleep(0)
    assert calls == ["abort"]


async def test_the_rest_is_the_inner_transport_s():
    transport, calls = combining()
    transport.pause_reading()
    assert calls == ["pause_reading"]
