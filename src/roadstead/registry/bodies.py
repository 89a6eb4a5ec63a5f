"""Bodies of requests on their way to the blob store, no longer than they may be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

from roadstead.registry.http import Request, Sink


class Body(AsyncIterable[bytes]):
    """The body of a request, of `room` bytes at most; a longer one raises `error`."""

    def __init__(self, request: Request, room: int, error: Exception) -> None:
        self._request = request
        self._room = room
        self._error = error

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        """The pieces as they come."""
        self._check_announced()
        room = self._room
        async for piece in self._request.stream():
            room -= len(piece)
            if room < 0:
                raise self._error
            yield piece

    def _check_announced(self) -> None:
        if (self._request.content_length or 0) > self._room:
            raise self._error


class PourableBody(Body):
    """A body of known length, which a thread can pass on."""

    async def pour(self, sink: Sink) -> None:
        """Every piece into `sink`, in threads."""
        self._check_announced()
        await self._request.pour(sink)


def body_of(request: Request, room: int, error: Exception) -> Body:
    """The body of a request, pourable where the server can."""
    kind = Body if request.receive_body is None else PourableBody
    return kind(request, room, error)
