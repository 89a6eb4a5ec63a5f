"""An upstream that is reached by HTTP: its bytes come to us, and are checked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Coroutine, Mapping

from roadstead.services.ecr.blobs import RegistryStorage
from roadstead.services.ecr.byte_quotas import require_room_for
from roadstead.services.ecr.errors import LimitExceededException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.upload_sessions import begin_upload, end_upload, publish_upload
from roadstead.services.ecr.upstream import FetchedManifest, UpstreamUnavailable
from roadstead.services.ecr.upstream_client import Source, UpstreamClient
from roadstead.store import Transaction
from roadstead.store.blobs import Digest, DigestMismatch, UploadUnknown

_BLOBS_AT_ONCE = 3


class RemoteRepository:
    """An UpstreamRepository over the client of other registries."""

    def __init__(self, client: UpstreamClient, storage: RegistryStorage, source: Source) -> None:
        self._client = client
        self._storage = storage
        self._source = source

    @property
    def registry(self) -> str:
        """Its base URL."""
        return self._source.upstream.url

    async def digest_of(self, tag: str) -> str | None:
        """By a HEAD."""
        return await self._client.digest_of(self._source, tag)

    async def manifest(self, reference: str) -> FetchedManifest:
        """By a GET."""
        return await self._client.manifest(self._source, reference)

    async def check(self) -> None:
        """Sign in."""
        await self._client.check(self._source)

    async def bring_blobs(self, key: RepositoryKey, blobs: Mapping[str, int]) -> None:
        """Some at a time; when one can't be had, the others are given up. Of none, more is taken than it is to have or than a layer may have."""
        await self._require_room(key, blobs)
        gate = asyncio.Semaphore(_BLOBS_AT_ONCE)

        async def bring(digest: str, size: int) -> None:
            async with gate:
                await self._bring(key, digest, size or self._storage.limits["LayerBytes"])

        try:
            async with asyncio.TaskGroup() as group:
                for digest, size in blobs.items():
                    group.create_task(bring(digest, size))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _require_room(self, key: RepositoryKey, blobs: Mapping[str, int]) -> None:
        """Return when these would fit as things are, before any byte is asked for; raises LimitExceededException."""
        limits = self._storage.limits
        if max(blobs.values(), default=0) > limits["LayerBytes"]:
            raise LimitExceededException(
                f"The layer is larger than it may be (quota LayerBytes: {limits['LayerBytes']})"
            )
        async with self._storage.store.snapshot() as tx:
            for digest, size in blobs.items():
                await require_room_for(tx, key, digest, size, limits)

    async def _bring(self, key: RepositoryKey, digest: str, most: int) -> None:
        store, blobs = self._storage.store, self._storage.blobs
        begun = asyncio.create_task(self._begin(key))
        try:
            upload, blob_upload = await asyncio.shield(begun)
            async with self._client.blob(self._source, digest) as chunks:
                await blobs.append(blob_upload, 0, _within(chunks, most, digest))
            sealed = await blobs.seal(blob_upload, Digest.parse(digest))

            async def publish(tx: Transaction) -> None:
                await require_room_for(tx, key, digest, sealed.size, self._storage.limits)
                await publish_upload(tx, key, upload, digest, sealed)

            await store.run(publish)
        except BaseException as error:
            await _to_its_end(self._give_up(key, begun))
            if isinstance(error, DigestMismatch):
                raise UpstreamUnavailable(f"the upstream sent other content than {digest}") from error
            raise

    async def _begin(self, key: RepositoryKey) -> tuple[str, str]:
        """An upload, and the blob store's name of it."""
        blob_upload = await self._storage.blobs.create_upload()
        try:
            return await self._storage.store.run(lambda tx: begin_upload(tx, key, blob_upload)), blob_upload
        except BaseException:
            await self._storage.blobs.abort(blob_upload)
            raise

    async def _give_up(self, key: RepositoryKey, begun: asyncio.Task[tuple[str, str]]) -> None:
        """Leave nothing of an upload."""
        await asyncio.wait([begun])
        if begun.cancelled() or begun.exception() is not None:
            return
        upload, blob_upload = begun.result()
        with contextlib.suppress(UploadUnknown):  # sealed already
            await self._storage.blobs.abort(blob_upload)
        await self._storage.store.run(lambda tx: end_upload(tx, key, upload))


async def _to_its_end(work: Coroutine[object, object, None]) -> None:
    """Wait for work that goes on when whoever waits is cancelled meanwhile, who learns of that afterwards."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _within(chunks: AsyncIterable[bytes], most: int, digest: str) -> AsyncGenerator[bytes]:
    """The same chunks; raises UpstreamUnavailable at the first one that leads past `most` bytes."""
    got = 0
    async for chunk in chunks:
        got += len(chunk)
        if got > most:
            raise UpstreamUnavailable(f"the upstream sends more than the {most} bytes of {digest}")
        yield chunk
