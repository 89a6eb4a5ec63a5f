"""What ends an answer that may be given again, without anything being written."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.service.registry.harness import Harness


async def test_a_token_that_expires_ends_it(registry: Harness) -> None:
    await registry.create_repository("web")
    await registry.push_image("web", "v1")
    head = f"GET /v2/web/manifests/v1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {await registry.token()}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", registry.port)

    async def ask() -> int:
        writer.write(head.encode())
        async with asyncio.timeout(60):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(answer.partition("content-length: ")[2].partition("\r\n")[0]))
        return int(answer.split()[1])

    try:
        assert [await ask() for _ in range(3)] == [200, 200, 200]
        registry.clock.offset += timedelta(hours=12)
        assert await ask() == 403
    finally:
        writer.close()
