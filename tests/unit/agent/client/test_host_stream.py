"""The host watch stream against a server that is gone without a word."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from roadstead.agent.client import ApiClient, Credentials, FixedCredentials, HostStream, StreamLost
from roadstead.wire.hosts import BookmarkFrame


async def _bookmark_and_silence(request: web.BaseRequest) -> web.WebSocketResponse:
    answer = web.WebSocketResponse(autoping=False)
    await answer.prepare(request)
    await answer.send_str('{"type":"Bookmark","revision":7}')
    async for _ in answer:
        pass
    return answer


async def test_a_server_that_answers_no_ping_any_more_is_lost() -> None:
    runner = web.ServerRunner(web.Server(_bookmark_and_silence))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ApiClient(endpoint, "r", FixedCredentials(Credentials("A", "S"))) as api, asyncio.timeout(30):
            frames = HostStream(api, "host", ping_seconds=0.1).frames(None)
            assert await anext(frames) == BookmarkFrame(revision=7)
            with pytest.raises(StreamLost, match="ping"):
                await anext(frames)
    finally:
        await runner.cleanup()
