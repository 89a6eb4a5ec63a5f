from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from roadstead.registry.streaming import read_ahead


async def test_chunks_come_in_order_and_the_source_is_closed() -> None:
    closed: list[bool] = []

    async def source() -> AsyncGenerator[bytes]:
        try:
            for number in range(5):
                await asyncio.sleep(0)
                yield bytes([number])
        finally:
            closed.append(True)

    assert b"".join([chunk async for chunk in read_ahead(source())]) == bytes(range(5))
    assert closed == [True]
    async with aclosing(read_ahead(source())) as left_early:
        assert await anext(left_early) == b"\0"
    assert closed == [True, True]


async def test_an_error_of_the_source_arrives() -> None:
    async def source() -> AsyncGenerator[bytes]:
        yield b"first"
        raise OSError("gone")

    chunks = read_ahead(source())
    assert await anext(chunks) == b"first"
    with pytest.raises(OSError, match="gone"):
        await anext(chunks)


async def test_a_cancelled_reader_closes_the_source() -> None:
    closed = asyncio.Event()

    async def source() -> AsyncGenerator[bytes]:
        try:
            while True:
                await asyncio.sleep(0.001)
                yield b"x"
        finally:
            closed.set()

    async def read() -> None:
        async with aclosing(read_ahead(source())) as chunks:
            async for _ in chunks:
                pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await closed.wait()
