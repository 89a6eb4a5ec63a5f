"""A request's body on its way to an object store: gathered into parts, hashed, and ended in order where it breaks off."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash  # pyright: ignore[reportPrivateUsage] - its type has no public name

_REMEMBERED = 1024


class Feed:
    """The body in parts of `part` bytes, the last one shorter; `running` sees every byte that is handed out."""

    def __init__(self, data: bytes | AsyncIterable[bytes], part: int, running: _Hash | None) -> None:
        self._data = _once(data) if isinstance(data, bytes) else aiter(data)
        self._part = part
        self._running = running
        self._failure: Exception | None = None
        self.size = 0
        """Bytes handed out."""
        self.ended = False
        """Whether nothing more comes."""

    async def first(self) -> bytes:
        """The first part."""
        return await self._next()

    async def parts(self, first: bytes) -> AsyncGenerator[bytes]:
        """`first`, and all that follow."""
        yield first
        while not self.ended:
            following = await self._next()
            if following:
                yield following

    def check(self) -> None:
        """Raise what broke the body off."""
        if self._failure is not None:
            raise self._failure

    async def _next(self) -> bytes:
        gathered: list[bytes] = []
        length = 0
        while length < self._part and not self.ended:
            try:
                piece = await anext(self._data)
            except StopAsyncIteration:
                self.ended = True
            except Exception as failure:  # noqa: BLE001 - `check` raises it, once what came before is safe
                self._failure = failure
                self.ended = True
            else:
                gathered.append(piece)
                length += len(piece)
        part = b"".join(gathered)
        self.size += length
        if self._running is not None and part:
            await asyncio.to_thread(self._running.update, part)
        return part


async def _once(data: bytes) -> AsyncGenerator[bytes]:
    yield data


class RunningHashes:
    """sha256 of uploads that this process has seen from their beginning; of others the content is read when they are sealed."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[_Hash, int]] = OrderedDict()

    def take(self, upload: str, size: int) -> _Hash | None:
        """The hash of an upload's `size` bytes, which nobody else gets until it is kept again."""
        known = self._known.pop(upload, None)
        if size == 0:
            return hashlib.sha256()
        return known[0] if known is not None and known[1] == size else None

    def keep(self, upload: str, running: _Hash | None, size: int) -> None:
        """Remember the hash of `size` bytes."""
        if running is None:
            return
        self._known[upload] = (running, size)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def drop(self, upload: str) -> None:
        """Forget an upload."""
        self._known.pop(upload, None)
