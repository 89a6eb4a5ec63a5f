"""Writable layers on images, through containerd's snapshots API. A container's has the container's id."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog
from google.protobuf.empty_pb2 import Empty

from roadstead.agent.runtime import labels
from roadstead.agent.runtime.api import snapshots_pb2, types_pb2
from roadstead.agent.runtime.client import LONG_CALL, Client
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.errors import ContainerdError

T = TypeVar("T")

log = structlog.get_logger(__name__)

SNAPSHOTS = "/containerd.services.snapshots.v1.Snapshots"
GC_ROOT = "containerd.io/gc.root"
_LAYER_OPTION = "lowerdir="
_IN_THE_WAY = re.compile(r"failed to rename: rename \S+/new-\d+ \S+/\d+: file exists")
_ATTEMPTS = 3


async def past_leftovers(call: Callable[[], Awaitable[T]]) -> T:
    """What a call gives that makes snapshots, made again where the directory of one is there already.

    A containerd that is killed after it has named a directory and before it has noted the snapshot uses the same number again. Its overlayfs
    snapshotter refuses that one, and takes away what was in its way (plugins/snapshots/overlay/overlay.go, createSnapshot).
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return await call()
        except ContainerdError as error:
            if _IN_THE_WAY.search(str(error)) is None:
                raise
            log.info("the directory of a snapshot was left by a containerd that was killed", error=str(error))
    return await call()


def layer_directories(mounts: list[types_pb2.Mount]) -> list[Path]:
    """The directories of a prepared snapshot's layers, the topmost first."""
    for mount in mounts:
        for option in mount.options:
            if option.startswith(_LAYER_OPTION):
                return [Path(layer) for layer in option.removeprefix(_LAYER_OPTION).split(":")]
    return [Path(mount.source) for mount in mounts if mount.type == "bind"]


class Snapshots:
    """The writable layers of one containerd that we made."""

    def __init__(self, client: Client, settings: RuntimeSettings) -> None:
        self._client = client
        self._settings = settings

    async def prepare(self, key: str, chain_id: str) -> list[types_pb2.Mount]:
        """A writable layer on an image's; the mounts that make it a root file system. Raises AlreadyExists."""
        request = snapshots_pb2.PrepareSnapshotRequest(
            snapshotter=self._settings.snapshotter,
            key=key,
            parent=chain_id,
            labels={GC_ROOT: datetime.now(UTC).isoformat(timespec="seconds"), labels.OWNER: self._settings.tag},
        )
        answer = await past_leftovers(
            lambda: self._client.call(f"{SNAPSHOTS}/Prepare", request, snapshots_pb2.PrepareSnapshotResponse)
        )
        return list(answer.mounts)

    async def remove(self, key: str) -> None:
        """Remove a writable layer. Raises NotFound."""
        request = snapshots_pb2.RemoveSnapshotRequest(snapshotter=self._settings.snapshotter, key=key)
        await self._client.call(f"{SNAPSHOTS}/Remove", request, Empty, LONG_CALL)

    async def keys(self) -> list[str]:
        """The keys of the writable layers that we made."""
        request = snapshots_pb2.ListSnapshotsRequest(
            snapshotter=self._settings.snapshotter, filters=[f'labels."{labels.OWNER}"=={self._settings.tag}']
        )
        pages = await self._client.collect(f"{SNAPSHOTS}/List", request, snapshots_pb2.ListSnapshotsResponse)
        return [info.name for page in pages for info in page.info]

    async def layers(self, key: str) -> list[Path]:
        """The directories of a writable layer and of those below it, the topmost first."""
        request = snapshots_pb2.MountsRequest(snapshotter=self._settings.snapshotter, key=key)
        mounts = (await self._client.call(f"{SNAPSHOTS}/Mounts", request, snapshots_pb2.MountsResponse)).mounts
        return layer_directories(list(mounts))
