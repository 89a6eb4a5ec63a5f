"""The database, the master key that fits it, and the place for blobs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from roadstead.access.master_key import MasterKey, MasterKeyError
from roadstead.access.sealing import Sealer
from roadstead.access.tables import sealing_keys
from roadstead.kernel.clock import Clock
from roadstead.server.errors import MISCONFIGURED, UNAVAILABLE, ServerFailed
from roadstead.server.settings import ServerSettings
from roadstead.store import Store, open_store
from roadstead.store.blobs import BlobError, BlobStore, DiskBlobStore
from roadstead.store.errors import StoreUnavailable, UnsuitableDatabase

PATIENCE = 20.0
"""Seconds that a server waits at its start for a database that is away."""
_PAUSE = 0.5
_log = structlog.get_logger("server")


async def open_migrated(settings: ServerSettings, clock: Clock, *, patience: float = PATIENCE) -> Store:
    """The store at this program's revision; raises ServerFailed."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while True:
        try:
            return await _open(settings, clock)
        except StoreUnavailable as error:
            text = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
            if loop.time() >= until:
                raise ServerFailed(f"no database: {text}", UNAVAILABLE) from error
            _log.warning("the database is away", error=text)
        except UnsuitableDatabase as error:
            raise ServerFailed(str(error), MISCONFIGURED) from error
        except ValueError as error:
            raise ServerFailed(f"the database URL is wrong: {error}", MISCONFIGURED) from error
        await asyncio.sleep(_PAUSE)


async def _open(settings: ServerSettings, clock: Clock) -> Store:
    store = await open_store(settings.database_url, clock=clock)
    try:
        await store.migrate()
    except DBAPIError as error:
        await store.close()
        if not error.connection_invalidated:
            raise
        raise StoreUnavailable("the connection was lost during the migration") from error
    except BaseException:
        await store.close()
        raise
    return store


async def unlock(store: Store, path: Path, clock: Clock) -> tuple[MasterKey, Sealer]:
    """The master key in the file, made in a new deployment, and what it opens in the database; raises ServerFailed.

    A database that was set up with a master key is never given another one: nobody could sign in any more.
    """
    async with store.snapshot() as tx:
        is_new = (await tx.execute(select(sealing_keys.c.key_id).limit(1))).first() is None
    try:
        master = await asyncio.to_thread(MasterKey.load_or_create if is_new else MasterKey.load, path)
        return master, await Sealer.load(store, master, clock)
    except FileNotFoundError as error:
        raise ServerFailed(
            f"{path} is missing, and the database was set up with a master key: copy the file from the server that made it",
            MISCONFIGURED,
        ) from error
    except MasterKeyError as error:
        raise ServerFailed(f"{error} (master key: {path})", MISCONFIGURED) from error


async def open_blobs(settings: ServerSettings, store: Store) -> BlobStore:
    """Where the registry's content is; raises ServerFailed for a bucket that can't be reached."""
    if settings.blobs is None:
        return DiskBlobStore(settings.state_dir / "blobs")
    from roadstead.store.blobs.opening import BucketUrl, InvalidBlobUrl, open_bucket  # brings what a disk does without

    try:
        blobs = await asyncio.to_thread(open_bucket, BucketUrl.parse(settings.blobs), store)
    except InvalidBlobUrl as error:
        raise ServerFailed(str(error), MISCONFIGURED) from error
    try:
        await blobs.reach()
    except BlobError as error:
        raise ServerFailed(f"no access to {settings.blobs}: {error}", UNAVAILABLE) from error
    return blobs
