"""The pull through cache: what a repository lacks is fetched from its upstream, and kept.

Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html. An image's layers are here before the image is; a
list of images may come before them. A tag that came from an upstream is compared with it once a day, and answered from here while the
upstream is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import structlog

from roadstead.access.errors import AccessDenied
from roadstead.kernel.errors import AccessDeniedException
from roadstead.services.ecr.blobs import Blob, RegistryStorage, find_blob, is_blob_in_use, noted_size
from roadstead.services.ecr.collection import keep_for_push
from roadstead.services.ecr.content import (
    StoredManifest,
    digest_of_tag,
    image_status,
    mark_checked,
    put_manifest,
    require_place,
)
from roadstead.services.ecr.creation import create_for_cache
from roadstead.services.ecr.holding import Pauses, reason_to_hold
from roadstead.services.ecr.keys import RepositoryKey, digest_of, is_digest
from roadstead.services.ecr.manifests import InvalidManifest, Manifest, read_manifest
from roadstead.services.ecr.pull_through_rules import Rule, rule_for
from roadstead.services.ecr.repositories import find_repository
from roadstead.services.ecr.upstream import (
    Allow,
    FetchedManifest,
    Read,
    UpstreamNotFound,
    UpstreamRepository,
    UpstreamUnavailable,
)
from roadstead.services.ecr.upstream_registries import UpstreamRegistries
from roadstead.store import Transaction

CHECK_EVERY = timedelta(hours=24)
"""How long a tag is answered from here without asking its upstream."""
_PATIENCE = 10.0
"""Seconds that a client waits for the upstream's word on a tag that is here already."""
_ASK_AGAIN = 60.0
"""Seconds for which an upstream that failed is not asked again about a tag that is here."""
_MOST_REGISTRIES = 8
"""How many registries one after the other may have to be asked; prefixes can make a chain of rules that has no end."""
_log = structlog.stdlib.get_logger(__name__)

_Fetch = tuple[RepositoryKey, str]
"""A repository, and the tag or digest that it is to get."""


class PullThrough:
    """Fetches by the rules of every registry. One for each server; what several clients wait for is fetched once."""

    def __init__(self, storage: RegistryStorage, upstreams: UpstreamRegistries) -> None:
        self._storage = storage
        self._upstreams = upstreams
        self._under_way: dict[_Fetch, asyncio.Task[None]] = {}
        self._waits: dict[_Fetch, _Fetch] = {}
        """Which fetch waits for which other one, that of its upstream."""
        clock = storage.store.clock
        self._resting = Pauses[_Fetch](clock, _ASK_AGAIN)
        """Tags that are here, and whose upstream is not asked."""
        self._refused = Pauses[_Fetch](clock, _ASK_AGAIN)
        """Tags of which the log knows that somebody without leave to import pulls them."""

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._upstreams.close()

    async def current(
        self, key: RepositoryKey, reference: str, read: Read, allow: Allow, via: tuple[_Fetch, ...] = ()
    ) -> StoredManifest | None:
        """What `read` finds, after the upstream of a rule was asked for what is missing or out of date; None where neither has it.

        `via` are the fetches that this is asked for, when it is itself an upstream. Raises UpstreamError.
        """
        found = await read()
        if found is None:
            return await read() if await self.fetch(key, reference, allow, via) else None
        if self.is_stale(key, reference, found.checked_at):
            await self.refresh(key, reference, allow, via)
            return await read() or found
        return found

    async def fetch(self, key: RepositoryKey, reference: str, allow: Allow, via: tuple[_Fetch, ...] = ()) -> bool:
        """Bring a tag or digest that is not here; False when there is no rule, or the upstream does not have it either.

        The caller needs leave to import, and to create the repository if that is not there. Raises UpstreamError.
        """
        source = await self._source(key, reference, allow, via)
        if source is None:
            return False
        try:
            await self._once((key, reference), lambda: self._import(key, source, reference), via)
        except UpstreamNotFound:
            return False
        return True

    async def fetch_layer(self, key: RepositoryKey, digest: str, allow: Allow) -> bool:
        """Bring a blob of an image that is here, where it was lost; False when there is no rule, or nobody has it. Raises UpstreamError.

        An image's blobs come with it, so that this is for what a check of the registry found gone.
        """
        async with self._storage.store.snapshot() as tx:
            if not await is_blob_in_use(tx, key, digest):
                return False
            size = await noted_size(tx, key, digest) or 0
        source = await self._source(key, digest, allow, ())
        if source is None:
            return False
        try:
            await self._once((key, digest), lambda: source.bring_blobs(key, {digest: size}), ())
        except UpstreamNotFound:
            return False
        return True

    async def upstream_of(self, tx: Transaction, rule: Rule, key: RepositoryKey) -> UpstreamRepository:
        """Where a rule has a repository get its images; raises UpstreamError."""
        return await self._upstreams.open(tx, rule, key, self.current)

    def is_stale(self, key: RepositoryKey, tag: str, checked_at: datetime | None) -> bool:
        """Whether the upstream of a tag that came from there is to be asked again."""
        clock = self._storage.store.clock
        if checked_at is None or timedelta(0) <= clock.now() - checked_at < CHECK_EVERY:
            return False
        return not self._resting.holds((key, tag))

    async def refresh(self, key: RepositoryKey, tag: str, allow: Allow, via: tuple[_Fetch, ...] = ()) -> None:
        """Bring what a tag names upstream now; when that can't be had, what is here stays (`holding`).

        Then the upstream is left alone for a minute, unless it was not asked because the asker may not import: the next one may.
        """
        refusal: Exception | None = None
        patience = asyncio.timeout(_PATIENCE)
        try:
            async with patience:
                if await self.fetch(key, tag, allow, via):
                    return
                reason = "it has no such tag"
        except TimeoutError:
            if not patience.expired():
                raise
            reason = f"it takes longer than {_PATIENCE:g} seconds"
        except Exception as error:
            reason, refusal = reason_to_hold(error), error
            if reason is None:
                raise
        pauses = self._refused if isinstance(refusal, AccessDenied | AccessDeniedException) else self._resting
        if pauses.begin((key, tag)):
            _log.warning("a cached tag stays what it is", resource=str(key.arn), tag=tag, error=reason)

    async def _source(
        self, key: RepositoryKey, reference: str, allow: Allow, via: tuple[_Fetch, ...]
    ) -> UpstreamRepository | None:
        async with self._storage.store.snapshot() as tx:
            rule = await rule_for(tx, key)
            if rule is None:
                return None
            await allow(tx, "ecr:BatchImportUpstreamImage")
            if await find_repository(tx, key) is None:
                await allow(tx, "ecr:CreateRepository")
            if len(via) >= _MOST_REGISTRIES:
                raise UpstreamUnavailable(
                    f"pull through cache rules lead through more than {_MOST_REGISTRIES} registries"
                )
            return await self._upstreams.open(tx, rule, key, partial(self.current, via=(*via, (key, reference))))

    async def _once(self, fetch: _Fetch, work: Callable[[], Awaitable[None]], via: tuple[_Fetch, ...]) -> None:
        """Run `work` unless it is under way; it goes on for the others when one who waits for it leaves."""

        async def run() -> None:
            try:
                await work()
            finally:
                del self._under_way[fetch]

        if via and self._leads_to(fetch, via[-1]):
            raise UpstreamUnavailable(f"pull through cache rules lead from {via[-1][0].arn} back to itself")
        task = self._under_way.get(fetch)
        if task is None:
            task = self._under_way[fetch] = asyncio.create_task(run())
            task.add_done_callback(_seen)
        if not via:
            await asyncio.shield(task)
            return
        self._waits[via[-1]] = fetch
        try:
            await asyncio.shield(task)
        finally:
            del self._waits[via[-1]]

    def _leads_to(self, fetch: _Fetch, waiting: _Fetch) -> bool:
        """Whether `fetch` is `waiting`, or waits for it in the end: neither would ever be done, were that to wait for this."""
        while fetch != waiting:
            following = self._waits.get(fetch)
            if following is None:
                return False
            fetch = following
        return True

    async def _import(self, key: RepositoryKey, source: UpstreamRepository, reference: str) -> None:
        is_tag = not is_digest(reference)
        if is_tag and await self._is_current(key, source, reference):
            return
        fetched = await source.manifest(reference)
        digest = digest_of(fetched.content, reference)
        if not is_tag and digest != reference:
            raise UpstreamUnavailable("the upstream sent another manifest than was asked for")
        try:
            manifest = read_manifest(fetched.content, fetched.media_type)
        except InvalidManifest as error:
            raise UpstreamUnavailable(f"the upstream sent what is no manifest to us: {error}") from error
        tags = [reference] if is_tag else []
        await self._make_place(key, digest, tags)
        await self._bring_blobs(key, source, manifest)
        await self._publish(key, manifest, fetched, digest, tags)
        _log.info("fetched from an upstream", resource=str(key.arn), digest=digest, upstream=source.registry)

    async def _is_current(self, key: RepositoryKey, source: UpstreamRepository, tag: str) -> bool:
        """Whether a tag names here what it names upstream; if so, that is noted."""
        async with self._storage.store.snapshot() as tx:
            here = await digest_of_tag(tx, key, tag)
            active = here is not None and await image_status(tx, key, here) == "ACTIVE"
        if here is None or not active or await source.digest_of(tag) != here:
            return False
        await self._storage.store.run(lambda tx: mark_checked(tx, key, tag))
        return True

    async def _make_place(self, key: RepositoryKey, digest: str, tags: list[str]) -> None:
        """Let the repository be there, and find out before anything is moved whether it takes the image."""

        async def make(tx: Transaction) -> None:
            repository = await create_for_cache(tx, key, self._storage.limits)
            await require_place(tx, repository, digest, tags, self._storage.limits)

        await self._storage.store.run(make)

    async def _bring_blobs(self, key: RepositoryKey, source: UpstreamRepository, manifest: Manifest) -> None:
        async with self._storage.store.snapshot() as tx:
            found = {digest: await find_blob(tx, key, digest) for digest in manifest.blobs}
        present: dict[str, Blob] = {digest: blob for digest, blob in found.items() if blob is not None}
        gone = await keep_for_push(self._storage, key, present, self._storage.store.clock.now())
        missing = [digest for digest in found if digest not in present or digest in gone]
        await source.bring_blobs(key, {digest: manifest.blob_sizes[digest] for digest in missing})

    async def _publish(
        self, key: RepositoryKey, manifest: Manifest, fetched: FetchedManifest, digest: str, tags: list[str]
    ) -> None:
        async def put(tx: Transaction) -> None:
            repository = await create_for_cache(tx, key, self._storage.limits)
            limits = self._storage.limits
            await put_manifest(tx, repository, manifest, fetched.content, digest, tags, limits, from_upstream=True)

        await self._storage.store.run(put)


def _seen(task: asyncio.Task[None]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
