"""A registry that kills itself at one moment of an upload: `python -m tests.service.registry.dying DIRECTORY MOMENT [ENDPOINT BUCKET]`.

MOMENT is `before:NAME` or `after:NAME`, of a method of the blob store, of `commit` (in the transaction that publishes a blob) or `manifest` (in the
one that stores an image), `after:published` (that transaction is through, its answer is not given); empty for one that lives.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.service.registry.harness import running_registry
from tests.support.s3 import open_bucket

from roadstead.registry import manifests, uploads
from roadstead.registry.bodies import PourableBody
from roadstead.registry.call import Call
from roadstead.store.blobs import DiskBlobStore
from roadstead.store.blobs.s3 import PART, S3BlobStore

AFTER_BYTES = {DiskBlobStore: 1_500_000, S3BlobStore: PART + 1_000_000}
"""How much of a chunk comes before the end; in a bucket, a part is there by then."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(moment: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        if moment == "before":
            die()
        result = await work(*args, **kwargs)
        die()
        return result

    return wrapped


def arm(moment: str, store: type[DiskBlobStore] | type[S3BlobStore]) -> None:
    when, _, name = moment.partition(":")
    match name:
        case "":
            return
        case "chunk":
            store.append = _dying_append(store.append, AFTER_BYTES[store])
        case "commit":
            uploads.publish_upload = dying(when, uploads.publish_upload)
        case "manifest":
            manifests.put_manifest = dying(when, manifests.put_manifest)
        case "published":
            Call.writing = _dying_when_published(Call.writing)
        case _:
            setattr(store, name, dying(when, getattr(store, name)))


def _dying_when_published(writing: Callable[..., Awaitable[Any]]) -> Any:
    async def wrapped(self: Call, action: str, work: Callable[..., Awaitable[Any]]) -> Any:
        result = await writing(self, action, work)
        if action == "ecr:CompleteLayerUpload":
            die()
        return result

    return wrapped


class _Dying(AsyncIterable[bytes]):
    """A chunk of which `after` bytes and a little more are passed on, before the process dies."""

    def __init__(self, chunk: AsyncIterable[bytes], after: int) -> None:
        self._chunk = chunk
        self._left = after

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        async for piece in self._chunk:
            yield piece
            self._passed(len(piece))

    def _passed(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            die()


class _DyingPourable(_Dying):
    """The same of a chunk that threads pass on: the thread dies at it, and the process with it."""

    def __init__(self, chunk: PourableBody, after: int) -> None:
        super().__init__(chunk, after)
        self._pourable = chunk

    async def pour(self, sink: Callable[[memoryview], None]) -> None:
        def take(piece: memoryview) -> None:
            sink(piece)
            self._passed(len(piece))

        await self._pourable.pour(take)


def _dying_append(append: Callable[..., Awaitable[int]], after: int) -> Any:
    async def wrapped(self: Any, upload: str, offset: int, data: AsyncIterable[bytes]) -> int:
        dying_chunk = _DyingPourable(data, after) if isinstance(data, PourableBody) else _Dying(data, after)
        return await append(self, upload, offset, dying_chunk)

    return wrapped


async def main(root: Path, moment: str, *bucket: str) -> None:
    arm(moment, S3BlobStore if bucket else DiskBlobStore)
    fresh = not (root / "roadstead.db").exists()
    async with running_registry(root, fresh=fresh, bucket=open_bucket(*bucket) if bucket else None) as registry:
        if fresh:
            await registry.create_repository("web")
        print(json.dumps({"port": registry.port, "token": await registry.token()}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
