"""A server that kills itself at one moment of a push by the API: `python -m tests.service.ecr.dying_server MOMENT server OPTIONS`.

MOMENT is `before:NAME` or `after:NAME`, of a method of the blob store, of `commit` (in the transaction that publishes a layer) or `manifest` (in
the one that stores an image), or of an operation, whose answer is not given; or `in:part`. It dies at the second part of an upload.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.service.registry.dying import die, dying

from roadstead.cli import main
from roadstead.gateway.dispatch import Dispatcher
from roadstead.services.ecr import image_changes, layers
from roadstead.store.blobs import DiskBlobStore, files
from roadstead.store.blobs.pieces import Feed
from roadstead.store.blobs.s3 import S3BlobStore

_PARTS = ("append", "_put", "UploadLayerPart", "part")
"""What happens in every part."""


def arm(moment: str) -> None:
    when, _, name = moment.partition(":")
    number = 2 if name in _PARTS else 1
    match name:
        case "part":
            files.append_chunks = _half(files.append_chunks, number)
            Feed.parts = _one_part_only(Feed.parts)
        case "commit":
            layers.publish_upload = dying(when, layers.publish_upload)
        case "manifest":
            image_changes.put_manifest = dying(when, image_changes.put_manifest)
        case _ if name[0].isupper():
            Dispatcher._run = _dying_unanswered(Dispatcher._run, name, number)  # pyright: ignore[reportPrivateUsage]
        case _:
            for store in (DiskBlobStore, S3BlobStore):
                if hasattr(store, name):
                    setattr(store, name, _at(number, when, getattr(store, name)))


def _at(number: int, when: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """`work`, during whose call of this number the process dies."""
    calls = 0

    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return await (dying(when, work) if calls == number else work)(*args, **kwargs)

    return wrapped


def _half(write: Callable[..., int], number: int) -> Callable[..., int]:
    """Of the write of this number a half is done: in the kernel, a large write ends at a page when the process is killed."""
    calls = 0

    def wrapped(path: Any, offset: int, chunks: Sequence[bytes]) -> int:
        nonlocal calls
        calls += 1
        if calls < number:
            return write(path, offset, chunks)
        whole = b"".join(chunks)
        write(path, offset, [whole[: len(whole) // 2]])
        die()
        raise AssertionError("it lives")

    return wrapped


def _one_part_only(parts: Callable[..., Any]) -> Any:
    """Of a body that goes to a bucket in several parts, the first one is sent."""

    async def wrapped(self: Feed, first: bytes) -> Any:
        sent = 0
        async for part in parts(self, first):
            if sent == 1:
                die()
            sent += 1
            yield part

    return wrapped


def _dying_unanswered(run: Callable[..., Awaitable[Any]], name: str, number: int) -> Any:
    calls = 0

    async def wrapped(self: Dispatcher, call: Any, outcome: Any) -> Any:
        nonlocal calls
        result = await run(self, call, outcome)
        if call.target.operation_name == name:
            calls += 1
            if calls == number:
                die()
        return result

    return wrapped


if __name__ == "__main__":
    arm(sys.argv.pop(1))
    main()
