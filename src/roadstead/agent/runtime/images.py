"""Images: asked for at the registry with a task's own credentials, fetched and unpacked by containerd where they are missing.

The registry's answer to `resolve` is both the digest and the permission, so an image that another task pulled is used
again only by those who may pull it. Fetching is left to containerd's transfer service (parallel, verified, native); its
records are named `host/repository@digest`, so a tag that moves never changes what a record means.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Container
from contextlib import suppress
from weakref import WeakValueDictionary

from google.protobuf.empty_pb2 import Empty

from roadstead.agent.runtime import manifests
from roadstead.agent.runtime.anys import pack
from roadstead.agent.runtime.api import (
    content_pb2,
    images_pb2,
    snapshots_pb2,
    transfer_pb2,
    transfer_types_pb2,
    types_pb2,
)
from roadstead.agent.runtime.client import Client
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.agent.runtime.errors import (
    CannotPullContainer,
    ContainerdError,
    ContainerdUnavailable,
    NotFound,
    RegistryAway,
    RegistryUnreachable,
)
from roadstead.agent.runtime.model import Image, PullProgress
from roadstead.agent.runtime.pull_errors import is_passing
from roadstead.agent.runtime.reference import InvalidReference, Reference
from roadstead.agent.runtime.resolve import Resolver
from roadstead.agent.runtime.snapshots import SNAPSHOTS, past_leftovers

_CONTENT = "/containerd.services.content.v1.Content"
_IMAGES = "/containerd.services.images.v1.Images"
_TRANSFER = "/containerd.services.transfer.v1.Transfer/Transfer"

_PULL_TIMEOUT = 3600.0
_PROGRESS_INTERVAL = 0.5
_JSON_LIMIT = 8 << 20
_FAILED_COMMIT = re.compile(r'failed commit on ref "(?P<ref>[^"]+)"')

OnProgress = Callable[[PullProgress], None]


class Images:
    """The images of one containerd. Close it when done."""

    def __init__(self, client: Client, settings: RuntimeSettings) -> None:
        self._client = client
        self._settings = settings
        self._resolver = Resolver()
        self._known: dict[str, Image] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._used: dict[str, float] = {}
        """When each was last asked for or kept, by the loop's clock."""

    async def ensure(self, text: str, authorization: str | None, progress: OnProgress | None = None) -> Image:
        """The image that `text` names now, present and unpacked. Raises CannotPullContainer and its kinds, and ContainerdUnavailable."""
        try:
            reference = Reference.parse(text)
        except InvalidReference as error:
            raise CannotPullContainer(str(error)) from error
        digest = await self._resolve(reference, authorization)
        name = reference.pinned(digest)
        async with self._lock(name):
            self._used[name] = asyncio.get_running_loop().time()
            if (image := await self._present(name, text)) is not None:
                return image
            await self._pull(reference, name, authorization, progress)
            try:
                return await self._load(name, text)
            except manifests.NoMatchingPlatform as error:
                raise CannotPullContainer(str(error)) from error
            except (ContainerdError, manifests.MalformedImage) as error:
                raise CannotPullContainer(f"failed to read image {text}: {error}") from error

    async def remove_unused(self, keep: Container[str], unused_for: float) -> list[str]:
        """Forget the images that have not been asked for, nor been in `keep`, for so many seconds; the names that went.

        Names are `host/repository@digest`. An image of which nothing is known yet, as of an earlier agent, counts as used now.
        containerd's collector frees their layers afterwards, except those below a container that still exists.
        """
        listing = await self._client.call(
            f"{_IMAGES}/List", images_pb2.ListImagesRequest(), images_pb2.ListImagesResponse
        )
        removed: list[str] = []
        for name in [record.name for record in listing.images]:
            async with self._lock(name):
                now = asyncio.get_running_loop().time()
                if name in keep:
                    self._used[name] = now
                elif now - self._used.setdefault(name, now) >= unused_for:
                    self._known.pop(name, None)
                    with suppress(NotFound):
                        request = images_pb2.DeleteImageRequest(name=name)
                        await self._client.call(f"{_IMAGES}/Delete", request, Empty)
                        removed.append(name)
                    del self._used[name]
        return removed

    def close(self) -> None:
        """Ask no registry any more."""
        self._resolver.close()

    def _lock(self, name: str) -> asyncio.Lock:
        """What is held while an image is looked for, fetched or removed."""
        return self._locks.setdefault(name, asyncio.Lock())

    async def _resolve(self, reference: Reference, authorization: str | None) -> str:
        """The digest, from the first server that answers; raises CannotPullContainer and its kinds, RegistryAway when all are away."""
        failed: RegistryUnreachable | None = None
        for registry in (self._settings.registry, *self._settings.mirrors):
            try:
                return await self._resolver.resolve(registry, reference, authorization)
            except RegistryUnreachable as error:
                if failed is None or not isinstance(error, RegistryAway):
                    failed = error
        assert failed is not None
        raise failed

    async def _present(self, name: str, text: str) -> Image | None:
        try:
            image = self._known.get(name) or await self._load(name, text)
            await self._check_unpacked(image)
        except (NotFound, manifests.MalformedImage, manifests.NoMatchingPlatform):
            self._known.pop(name, None)
            return None
        self._known[name] = image
        return Image(text, image.digest, image.manifest_digest, image.chain_id, image.config, image.size)

    async def _check_unpacked(self, image: Image) -> None:
        if image.chain_id:
            stat = snapshots_pb2.StatSnapshotRequest(snapshotter=self._settings.snapshotter, key=image.chain_id)
            await self._client.call(f"{SNAPSHOTS}/Stat", stat, snapshots_pb2.StatSnapshotResponse)

    async def _load(self, name: str, text: str) -> Image:
        request = images_pb2.GetImageRequest(name=name)
        record = (await self._client.call(f"{_IMAGES}/Get", request, images_pb2.GetImageResponse)).image
        digest = record.target.digest
        manifest = manifests.document(await self._read(digest))
        manifest_digest = digest
        if (chosen := manifests.choose(manifest, self._settings.architecture)) is not None:
            manifest_digest = chosen
            manifest = manifests.document(await self._read(chosen))
        config = manifests.document(await self._read(manifests.config_digest(manifest)))
        manifests.check_platform(config, self._settings.architecture)
        image = Image(
            reference=text,
            digest=digest,
            manifest_digest=manifest_digest,
            chain_id=manifests.chain_id(config),
            config=manifests.image_config(config),
            size=manifests.compressed_size(manifest),
        )
        self._known[name] = image
        return image

    async def _read(self, digest: str) -> bytes:
        request = content_pb2.ReadContentRequest(digest=digest, size=0)
        parts = await self._client.collect(f"{_CONTENT}/Read", request, content_pb2.ReadContentResponse)
        content = b"".join(part.data for part in parts)
        if len(content) > _JSON_LIMIT:
            raise manifests.MalformedImage(f"{digest} is larger than {_JSON_LIMIT} bytes")
        return content

    async def _pull(
        self, reference: Reference, name: str, authorization: str | None, progress: OnProgress | None
    ) -> None:
        watcher = asyncio.create_task(self._watch(progress)) if progress is not None else None
        try:
            request = self._transfer(name, authorization)
            await past_leftovers(lambda: self._client.call(_TRANSFER, request, Empty, _PULL_TIMEOUT))
        except ContainerdUnavailable as error:
            # Go counts a registry's silence among the passed deadlines, and so does containerd's status.
            if not is_passing(str(error)):
                raise
            raise RegistryUnreachable(self._explain(reference, str(error))) from error
        except ContainerdError as error:
            await self._drop_spoiled(str(error))
            kind = RegistryUnreachable if is_passing(str(error)) else CannotPullContainer
            raise kind(self._explain(reference, str(error))) from error
        finally:
            if watcher is not None:
                watcher.cancel()
                await asyncio.wait([watcher])

    async def _drop_spoiled(self, message: str) -> None:
        """Drop a blob whose bytes were wrong: containerd would take it up again where it ended, and fail again."""
        if match := _FAILED_COMMIT.search(message):
            with suppress(NotFound):
                await self._client.call(f"{_CONTENT}/Abort", content_pb2.AbortRequest(ref=match["ref"]), Empty)

    def _explain(self, reference: Reference, message: str) -> str:
        if "no match for platform" in message or "no unpack platform" in message:
            return f"image Manifest does not contain descriptor matching platform 'linux/{self._settings.architecture}'"
        return f"failed to copy {reference}: {message}"

    def _transfer(self, name: str, authorization: str | None) -> transfer_pb2.TransferRequest:
        headers = {"Authorization": authorization} if authorization else {}
        platform = types_pb2.Platform(os="linux", architecture=self._settings.architecture)
        resolver = transfer_types_pb2.RegistryResolver(headers=headers, host_dir=str(self._settings.hosts_directory))
        unpack = transfer_types_pb2.UnpackConfiguration(platform=platform, snapshotter=self._settings.snapshotter)
        return transfer_pb2.TransferRequest(
            source=pack(transfer_types_pb2.OCIRegistry(reference=name, resolver=resolver)),
            destination=pack(transfer_types_pb2.ImageStore(name=name, platforms=[platform], unpacks=[unpack])),
        )

    async def _watch(self, progress: OnProgress | None) -> None:
        """Report the sum of all ingests under way; pulls of other images at the same time count too."""
        request = content_pb2.ListStatusesRequest()
        while progress is not None:
            await asyncio.sleep(_PROGRESS_INTERVAL)
            answer = await self._client.call(f"{_CONTENT}/ListStatuses", request, content_pb2.ListStatusesResponse)
            progress(PullProgress(sum(s.offset for s in answer.statuses), sum(s.total for s in answer.statuses)))
