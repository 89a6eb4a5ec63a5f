"""An upstream that is reached by HTTP: its bytes come to us, and are checked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from roadstead.services.ecr.blobs import RegistryStorage
from roadstead.services.ecr.byte_quotas import require_room_for
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

    async def bring_blobs(self, key: RepositoryKey, digests: Sequence[str]) -> None:
        """Some at a time; when one can't be had, the others are given up."""
        gate = asyncio.Semaphore(_BLOBS_AT_ONCE)

        async def bring(digest: str) -> None:
            async with gate:
                await self._bring(key, digest)

        try:
            async with asyncio.TaskGroup() as group:
                for digest in digests:
                    group.create_task(bring(digest))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _bring(self, key: RepositoryKey, digest: str) -> None:
        store, blobs = self._storage.store, self._storage.blobs
        blob_upload = await blobs.create_upload()
        upload = await store.run(lambda tx: begin_upload(tx, key, blob_upload))
        try:
            async with self._client.blob(self._source, digest) as chunks:
                await blobs.append(blob_upload, 0, chunks)
            sealed = await blobs.seal(blob_upload, Digest.parse(digest))

            async def publish(tx: Transaction) -> None:
                await require_room_for(tx, key, digest, sealed.size, self._storage.limits)
                await publish_upload(tx, key, upload, digest, sealed)

            await store.run(publish)
        except BaseException as error:
            with contextlib.suppress(UploadUnknown):  # sealed already
                await blobs.abort(blob_upload)
            await store.run(lambda tx: end_upload(tx, key, upload))
            if isinstance(error, DigestMismatch):
                raise UpstreamUnavailable(f"the upstream sent other content than {digest}") from error
            raise
