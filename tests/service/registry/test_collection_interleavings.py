"""Pushes, deletions, crashes and the steps of garbage collection in any order: nothing that is needed goes, and in the end everything else has."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import insert, select
from tests.service.registry.harness import image_manifest

from roadstead.kernel.clock import SystemClock
from roadstead.services.ecr.api import (
    RegistryStorage,
    RepositoryKey,
    begin_upload,
    collect_garbage,
    delete_image,
    end_upload,
    expire_uploads,
    find_blob,
    is_blob_in_use,
    keep_for_push,
    link_blob,
    parse_manifest,
    publish_upload,
    put_manifest,
    require_repository,
    unlink_blob,
)
from roadstead.services.ecr.collection import collect_leftovers, delete_garbage, drop_contents, release_links
from roadstead.services.ecr.errors import LayersNotFoundException
from roadstead.services.ecr.tables import blob_links, contents, garbage, images, references, repositories
from roadstead.store import Transaction, open_store
from roadstead.store.blobs import Digest, DiskBlobStore, Sealed, UploadUnknown

T = TypeVar("T")
GRACE = timedelta(hours=4)
CONTENT = [b"content %d" % number for number in range(4)]
DIGESTS = ["sha256:" + sha256(content).hexdigest() for content in CONTENT]
BY_DIGEST = dict(zip(DIGESTS, CONTENT, strict=True))
KEYS = [RepositoryKey("000000000000", "us-east-1", name) for name in ("first", "second")]

repository = st.sampled_from(KEYS)
blob = st.sampled_from(DIGESTS)
number = st.integers(0, 5)


class Clock(SystemClock):
    def __init__(self) -> None:
        self.time = datetime(2026, 11, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass
class Upload:
    digest: str
    began: datetime
    name: str = ""
    blob_upload: str = ""
    sealed: Sealed | None = None
    ended: datetime | None = None


@dataclass
class Pusher:
    """A client that pushes an image of two blobs, one step at a time."""

    key: RepositoryKey
    needs: tuple[str, ...]
    told: dict[str, datetime] = field(default_factory=dict[str, datetime])
    upload: Upload | None = None
    past: list[Upload] = field(default_factory=list[Upload])

    def may_rely_on(self, digest: str, now: datetime) -> bool:
        since = self.told[digest]
        if now - since <= GRACE:
            return True
        uploads = [*self.past, *([self.upload] if self.upload else [])]
        return any(
            timedelta() <= each.began - since <= GRACE and (each.ended is None or now - each.ended < GRACE)
            for each in uploads
        )


class Interleavings(RuleBasedStateMachine):
    """Every rule is one request or one transaction of the collector."""

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="roadstead-collection-"))
        self.clock = Clock()
        self.pushers: list[Pusher] = []
        self.hidden: set[tuple[RepositoryKey, str]] = set()
        self.run(self._open())

    async def _open(self) -> None:
        self.store = await open_store(f"sqlite:///{self.root / 'db'}", clock=self.clock)
        await self.store.create_all()
        self.blobs = DiskBlobStore(self.root / "blobs")
        self.storage = RegistryStorage(self.store, self.blobs, GRACE)
        row: dict[str, Any] = {"tag_mutability": "MUTABLE", "mutability_exclusions": [], "scan_on_push": 0, "tags": {}}
        encryption = {"encryptionType": "AES256"}
        async with self.store.transaction() as tx:
            for key in KEYS:
                place = {"account": key.account, "region": key.region, "repository": key.name}
                await tx.execute(
                    insert(repositories).values(**place, **row, encryption=encryption, created_at=self.clock.now())
                )

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def pusher(self, which: int) -> Pusher:
        return self.pushers[which % len(self.pushers)]

    @rule(key=repository, needs=st.lists(blob, min_size=2, max_size=2, unique=True))
    def begin_a_push(self, key: RepositoryKey, needs: list[str]) -> None:
        self.pushers.append(Pusher(key, tuple(needs)))

    @precondition(lambda self: self.pushers)
    @rule(which=number, steps=st.integers(1, 9))
    def go_on(self, which: int, steps: int) -> None:
        pusher = self.pusher(which)
        for _ in range(steps):
            if pusher.upload is not None:
                self.run(self._advance(pusher, pusher.upload))
            elif left := [digest for digest in pusher.needs if digest not in pusher.told]:
                self.run(self._check(pusher, left[0]))
            else:
                self.run(self._finish(pusher))
                self.pushers.remove(pusher)
                return

    async def _check(self, pusher: Pusher, digest: str) -> None:
        async with self.store.snapshot() as tx:
            found = await find_blob(tx, pusher.key, digest)
        if found is None:
            pusher.upload = Upload(digest, self.clock.now())
            return
        assert not await keep_for_push(self.storage, pusher.key, {digest: found}, self.clock.now())
        pusher.told[digest] = self.clock.now()
        self.hidden.discard((pusher.key, digest))

    async def _advance(self, pusher: Pusher, upload: Upload) -> None:
        if not upload.name:
            upload.blob_upload = await self.blobs.create_upload()
            upload.began = self.clock.now()
            upload.name = await self.store.run(lambda tx: begin_upload(tx, pusher.key, upload.blob_upload))
            await self.blobs.append(upload.blob_upload, 0, BY_DIGEST[upload.digest])
        elif upload.sealed is None:
            try:
                upload.sealed = await self.blobs.seal(upload.blob_upload, Digest.parse(upload.digest))
            except UploadUnknown:  # it expired
                pusher.upload = None
        else:
            await self._publish(pusher, upload, upload.sealed)

    async def _publish(self, pusher: Pusher, upload: Upload, sealed: Sealed) -> None:
        pusher.upload = None
        try:
            await self.store.run(lambda tx: publish_upload(tx, pusher.key, upload.name, upload.digest, sealed))
        except UploadUnknown:
            return
        upload.ended = pusher.told[upload.digest] = self.clock.now()
        pusher.past.append(upload)
        self.hidden.discard((pusher.key, upload.digest))

    async def _finish(self, pusher: Pusher) -> None:
        now = self.clock.now()
        config, layer = (BY_DIGEST[digest] for digest in pusher.needs)
        content = image_manifest(config, [layer])
        manifest = parse_manifest(content, None)
        digest = "sha256:" + sha256(content).hexdigest()
        relies = all(pusher.may_rely_on(each, now) for each in pusher.needs)
        undisturbed = not any((pusher.key, each) in self.hidden for each in pusher.needs)

        async def put(tx: Transaction) -> None:
            await put_manifest(tx, await require_repository(tx, pusher.key), manifest, content, digest, ["latest"])

        try:
            await self.store.run(put)
        except LayersNotFoundException:
            assert not (relies and undisturbed), "a blob went that a push relied on"

    @precondition(lambda self: self.pushers)
    @rule(which=number, asks=st.booleans())
    def give_up(self, which: int, asks: bool) -> None:
        """A client dies, or cancels its upload and goes on."""
        pusher = self.pusher(which)
        upload, pusher.upload = pusher.upload, None
        if not asks:
            self.pushers.remove(pusher)
        elif upload is not None and upload.name:
            self.run(self.store.run(lambda tx: end_upload(tx, pusher.key, upload.name)))

    @rule(key=repository, digest=blob, what=st.sampled_from(["image", "image", "blob", "mount"]))
    def change(self, key: RepositoryKey, digest: str, what: str) -> None:
        if what == "image":
            self.run(self.store.run(lambda tx: self._delete_images(tx, key)))
        elif what == "mount":
            self.run(self.store.run(lambda tx: self._mount(tx, digest)))
        elif self.run(self.store.run(lambda tx: self._delete_blob(tx, key, digest))):
            self.hidden.add((key, digest))

    async def _delete_images(self, tx: Transaction, key: RepositoryKey) -> None:
        for digest in (await tx.execute(select(images.c.digest).where(images.c.repository == key.name))).scalars():
            await delete_image(tx, key, digest)

    async def _delete_blob(self, tx: Transaction, key: RepositoryKey, digest: str) -> bool:
        return not await is_blob_in_use(tx, key, digest) and await unlink_blob(tx, key, digest)

    async def _mount(self, tx: Transaction, digest: str) -> None:
        found = await find_blob(tx, KEYS[0], digest)
        if found is not None:
            await link_blob(tx, KEYS[1], digest, found)

    @rule(hours=st.sampled_from([0.9, 2, 3.5, 6, 30]))
    def time_passes(self, hours: float) -> None:
        self.clock.time += timedelta(hours=hours)

    @rule(steps=st.lists(st.integers(0, 4), min_size=1, max_size=4))
    def collect(self, steps: list[int]) -> None:
        for step in steps:
            self.run(self._collect(step))

    async def _collect(self, step: int) -> None:
        match step:
            case 0:
                await expire_uploads(self.storage, self.clock.now())
            case 1:
                await self.store.run(lambda tx: release_links(tx, GRACE, self.clock.now()))
            case 2:
                await self.store.run(drop_contents)
            case 3:
                await collect_leftovers(self.storage, self.store.run)
            case _:
                await delete_garbage(self.storage, self.store.run)

    @invariant()
    def what_is_linked_is_there(self) -> None:
        self.run(self._check_links())

    async def _check_links(self) -> None:
        async with self.store.snapshot() as tx:
            links = (
                await tx.execute(select(blob_links.c.repository, blob_links.c.digest, blob_links.c.location))
            ).all()
            needed = (await tx.execute(select(references.c.repository, references.c.target))).all()
            known = (await tx.execute(select(contents.c.digest, contents.c.location))).all()
            thrown = set((await tx.execute(select(garbage.c.location))).scalars())
        assert {tuple(row) for row in needed} <= {(row.repository, row.digest) for row in links}
        assert {(row.digest, row.location) for row in links} <= {tuple(row) for row in known}
        assert thrown.isdisjoint(row.location for row in known)
        for row in known:
            path = self.blobs.local_path(row.location)
            assert path is not None
            assert path.read_bytes() == BY_DIGEST[row.digest]

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        try:
            self.run(self._check_that_nothing_is_left())
        finally:
            self.run(self.store.close())
            self.run(self.blobs.close())
            self.loop.close()
            shutil.rmtree(self.root)

    async def _check_that_nothing_is_left(self) -> None:
        self.clock.time = datetime.now(UTC) + timedelta(days=400)  # files have the machine's time
        await expire_uploads(self.storage, self.clock.now())
        await collect_garbage(self.storage, self.store.run, GRACE, leftovers=True)
        async with self.store.snapshot() as tx:
            needed = set((await tx.execute(select(references.c.target))).scalars())
            kept = set((await tx.execute(select(contents.c.digest))).scalars())
        assert kept == needed
        assert len([info async for info in self.blobs.list()]) == len(kept)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=30,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
