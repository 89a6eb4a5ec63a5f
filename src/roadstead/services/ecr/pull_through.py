"""The pull through cache: what a repository lacks is fetched from its upstream, and kept.

Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html. An image's layers are here before the image is; a
list of images may come before them. A tag that came from an upstream is compared with it once a day, and answered from here while the
upstream is away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from roadstead.kernel.settings import Deployment
from roadstead.services.ecr.blobs import Blob, RegistryStorage, find_blob, is_blob_in_use
from roadstead.services.ecr.byte_quotas import require_room_for
from roadstead.services.ecr.collection import keep_for_push
from roadstead.services.ecr.content import digest_of_tag, image_status, mark_checked, put_manifest
from roadstead.services.ecr.creation import create_for_cache
from roadstead.services.ecr.errors import SecretNotFoundException
from roadstead.services.ecr.keys import RepositoryKey, digest_of, is_digest
from roadstead.services.ecr.manifests import Manifest, parse_manifest
from roadstead.services.ecr.pull_through_rules import Rule, rule_for, secret_of
from roadstead.services.ecr.repositories import find_repository
from roadstead.services.ecr.upload_sessions import begin_upload, end_upload, publish_upload
from roadstead.services.ecr.upstream_client import (
    FetchedManifest,
    Source,
    UpstreamClient,
    UpstreamError,
    UpstreamNotFound,
    UpstreamUnavailable,
)
from roadstead.services.ecr.upstream_secrets import UpstreamSecretLost
from roadstead.services.ecr.upstreams import endpoint_of
from roadstead.store import Transaction
from roadstead.store.blobs import Digest, DigestMismatch, UploadUnknown

CHECK_EVERY = timedelta(hours=24)
"""How long a tag is answered from here without asking its upstream."""
_PATIENCE = 10.0
"""Seconds that a client waits for the upstream's word on a tag that is here already."""
_ASK_AGAIN = 60.0
"""Seconds for which an upstream that failed is not asked again about a tag that is here."""
_BLOBS_AT_ONCE = 3
_log = structlog.stdlib.get_logger(__name__)


class Allow(Protocol):
    """Decides an action on the repository in question; raises the edge's access-denied error."""

    async def __call__(self, tx: Transaction, action: str) -> None:
        """Return when allowed."""
        ...


class PullThrough:
    """Fetches by the rules of every registry. One for each server; what several clients wait for is fetched once."""

    def __init__(self, storage: RegistryStorage, deployment: Deployment, client: UpstreamClient) -> None:
        self._storage = storage
        self._deployment = deployment
        self._client = client
        self._under_way: dict[tuple[RepositoryKey, str], asyncio.Task[None]] = {}
        self._failed: dict[tuple[RepositoryKey, str], float] = {}

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    async def fetch(self, key: RepositoryKey, reference: str, allow: Allow) -> bool:
        """Bring a tag or digest that is not here; False when there is no rule, or the upstream does not have it either.

        The caller needs leave to import, and to create the repository if that is not there. Raises UpstreamError.
        """
        source = await self._source(key, allow)
        if source is None:
            return False
        try:
            await self._once(key, reference, lambda: self._import(key, source, reference))
        except UpstreamNotFound:
            return False
        return True

    async def fetch_layer(self, key: RepositoryKey, digest: str, allow: Allow) -> bool:
        """Bring a blob of an image that is here, where it was lost; False when there is no rule, or nobody has it. Raises UpstreamError.

        An image's blobs come with it, so that this is for what garbage collection or a check of the registry found gone.
        """
        async with self._storage.store.snapshot() as tx:
            if not await is_blob_in_use(tx, key, digest):
                return False
        source = await self._source(key, allow)
        if source is None:
            return False
        try:
            await self._once(key, digest, lambda: self._fetch_blob(key, source, digest))
        except UpstreamNotFound:
            return False
        return True

    def is_stale(self, key: RepositoryKey, tag: str, checked_at: datetime | None) -> bool:
        """Whether the upstream of a tag that came from there is to be asked again."""
        clock = self._storage.store.clock
        if checked_at is None or timedelta(0) <= clock.now() - checked_at < CHECK_EVERY:
            return False
        return self._failed.get((key, tag), 0.0) <= clock.monotonic()

    async def refresh(self, key: RepositoryKey, tag: str, allow: Allow) -> None:
        """Bring what a tag names upstream now; when that can't be had, what is here stays."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.fetch(key, tag, allow)
        except (UpstreamError, TimeoutError) as error:
            now = self._storage.store.clock.monotonic()
            self._failed = {asked: until for asked, until in self._failed.items() if until > now}
            self._failed[key, tag] = now + _ASK_AGAIN
            _log.warning("the upstream is away", resource=str(key.arn), tag=tag, error=str(error))

    async def _source(self, key: RepositoryKey, allow: Allow) -> Source | None:
        async with self._storage.store.snapshot() as tx:
            rule = await rule_for(tx, key)
            if rule is None:
                return None
            await allow(tx, "ecr:BatchImportUpstreamImage")
            if await find_repository(tx, key) is None:
                await allow(tx, "ecr:CreateRepository")
        try:
            return source_of(self._deployment, rule, key.name)
        except SecretNotFoundException as error:
            raise UpstreamSecretLost(error.message) from error

    async def _once(self, key: RepositoryKey, reference: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` unless it is under way; it goes on for the others when one who waits for it leaves."""

        async def run() -> None:
            try:
                await work()
            finally:
                del self._under_way[key, reference]

        task = self._under_way.get((key, reference))
        if task is None:
            task = self._under_way[key, reference] = asyncio.create_task(run())
            task.add_done_callback(_seen)
        await asyncio.shield(task)

    async def _import(self, key: RepositoryKey, source: Source, reference: str) -> None:
        is_tag = not is_digest(reference)
        if is_tag and await self._is_current(key, source, reference):
            return
        fetched = await self._client.manifest(source, reference)
        digest = digest_of(fetched.content, reference)
        if not is_tag and digest != reference:
            raise UpstreamUnavailable("the upstream sent another manifest than was asked for")
        manifest = parse_manifest(fetched.content, fetched.media_type)
        await self._storage.store.run(lambda tx: create_for_cache(tx, key, self._storage.limits))
        await self._fetch_blobs(key, source, manifest)
        await self._publish(key, manifest, fetched, digest, [reference] if is_tag else [])
        _log.info("fetched from an upstream", resource=str(key.arn), digest=digest, upstream=source.upstream.url)

    async def _is_current(self, key: RepositoryKey, source: Source, tag: str) -> bool:
        """Whether a tag names here what it names upstream; if so, that is noted."""
        async with self._storage.store.snapshot() as tx:
            here = await digest_of_tag(tx, key, tag)
            active = here is not None and await image_status(tx, key, here) == "ACTIVE"
        if here is None or not active or await self._client.digest_of(source, tag) != here:
            return False
        await self._storage.store.run(lambda tx: mark_checked(tx, key, tag))
        return True

    async def _fetch_blobs(self, key: RepositoryKey, source: Source, manifest: Manifest) -> None:
        async with self._storage.store.snapshot() as tx:
            found = {digest: await find_blob(tx, key, digest) for digest in manifest.blobs}
        present: dict[str, Blob] = {digest: blob for digest, blob in found.items() if blob is not None}
        await keep_for_push(self._storage, key, present, self._storage.store.clock.now())
        gate = asyncio.Semaphore(_BLOBS_AT_ONCE)

        async def fetch(digest: str) -> None:
            async with gate:
                await self._fetch_blob(key, source, digest)

        try:
            async with asyncio.TaskGroup() as group:
                for digest in found.keys() - present.keys():
                    group.create_task(fetch(digest))
        except* UpstreamError as errors:
            raise errors.exceptions[0] from errors

    async def _fetch_blob(self, key: RepositoryKey, source: Source, digest: str) -> None:
        store, blobs = self._storage.store, self._storage.blobs
        blob_upload = await blobs.create_upload()
        upload = await store.run(lambda tx: begin_upload(tx, key, blob_upload))
        try:
            async with self._client.blob(source, digest) as chunks:
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

    async def _publish(
        self, key: RepositoryKey, manifest: Manifest, fetched: FetchedManifest, digest: str, tags: list[str]
    ) -> None:
        async def put(tx: Transaction) -> None:
            repository = await create_for_cache(tx, key, self._storage.limits)
            limits = self._storage.limits
            await put_manifest(tx, repository, manifest, fetched.content, digest, tags, limits, from_upstream=True)

        await self._storage.store.run(put)


def source_of(deployment: Deployment, rule: Rule, name: str) -> Source:
    """Where a rule gets the repository `name` from; raises SecretNotFoundException when the settings have lost its secret."""
    credential = None if rule.credential_arn is None else secret_of(deployment, rule.credential_arn)
    return Source(endpoint_of(deployment, rule.url), rule.upstream_name(name), credential)


def _seen(task: asyncio.Task[None]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
