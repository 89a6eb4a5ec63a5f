"""A registry that kills itself at one moment of an upload: `python -m tests.service.registry.dying DIRECTORY MOMENT [ENDPOINT BUCKET]`.

MOMENT is `before:NAME` or `after:NAME`, of a method of the blob store, of `commit` (the transaction that publishes a blob) or `manifest` (the one
that stores an image); empty for one that lives.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterable, Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.service.registry.harness import running_registry
from tests.support.s3 import open_bucket

from roadstead.registry import manifests, uploads
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
        case _:
            setattr(store, name, dying(when, getattr(store, name)))


def _dying_append(append: Callable[..., Awaitable[int]], after: int) -> Any:
    async def wrapped(self: Any, upload: str, offset: int, data: AsyncIterable[bytes]) -> int:
        async def some() -> Any:
            length = 0
            async for piece in data:
                yield piece
                length += len(piece)
                if length > after:
                    die()

        return await append(self, upload, offset, some())

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
