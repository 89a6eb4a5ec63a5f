"""An upstream's answer on its way to the client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import aiohttp
import structlog

from roadstead.gateway.forwarding.bodies import Incoming
from roadstead.gateway.forwarding.client import UpstreamFailed, pieces

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_KEPT_BACK = frozenset(
    {
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "server",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-amz-request-id",
        "x-amzn-requestid",
    }
)
"""Headers of one connection (RFC 9110, 7.6.1), and those that our own server writes."""
_log = structlog.get_logger("forwarding")


async def relay(response: aiohttp.ClientResponse, own: Iterable[tuple[str, str]], body: Incoming, send: Send) -> bool:
    """Pass an answer on, `own` headers first; False when it broke off, and then the connection must be closed.

    The upstream's answer is dropped as soon as the client is gone.
    """
    copying = asyncio.create_task(_copy(response, own, send), name="answer")
    leaving = asyncio.create_task(body.gone(), name="client")
    try:
        await asyncio.wait((copying, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not copying.done():
            return False
        await copying
    except UpstreamFailed as error:
        _log.warning("an answer broke off", error=str(error))
        return False
    else:
        return True
    finally:
        for task in (copying, leaving):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(copying, leaving, return_exceptions=True)


def _passes(name: str, value: bytes, *, bodiless: bool) -> bool:
    if name == "location":
        return value.startswith(b"/")
    return name not in _KEPT_BACK and not (bodiless and name == "content-length")


async def _copy(response: aiohttp.ClientResponse, own: Iterable[tuple[str, str]], send: Send) -> None:
    bodiless = response.status in (204, 304)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in own]
    headers.extend(
        (name.lower(), value)
        for name, value in response.raw_headers
        if _passes(name.lower().decode("latin-1"), value, bodiless=bodiless)
    )
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    async for piece in pieces(response, "the upstream"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
