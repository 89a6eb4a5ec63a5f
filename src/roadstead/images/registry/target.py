"""Images into a registry (OCI distribution 1.1, "Push"): what it has is not sent, what it can take from its own repositories neither."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote

from roadstead.images.ends import Advance, Named, Source
from roadstead.images.errors import DigestMismatch, ImageError, NotThere, Refused, RegistryFailed
from roadstead.images.hashing import Running
from roadstead.images.model import Descriptor, Manifest
from roadstead.images.registry.connection import ATTEMPTS, Broken, Connection, wait
from roadstead.images.registry.journal import Journal
from roadstead.images.registry.source import RegistrySource

_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")
_UPLOADS = 3
"""How often a blob is begun, where the registry forgets its upload."""
Create = Callable[[str], Awaitable[None]]
"""Makes a repository that is missing."""


class RegistryTarget:
    """One repository as a target. `create` makes it when it is missing; None refuses."""

    parallel = 4

    def __init__(self, connection: Connection, repository: str, journal: Journal, create: Create | None = None) -> None:
        self._connection = connection
        self._repository = repository
        self._journal = journal
        self._create = create
        self._creating = asyncio.Lock()
        self._scope = f"repository:{repository}:pull,push"

    @property
    def label(self) -> str:
        """Registry and repository."""
        return f"{self._connection.name}/{self._repository}"

    async def has_manifest(self, digest: str) -> bool:
        """Whether the registry has a manifest."""
        return await self._has(f"manifests/{digest}", f"{self._repository}@{digest}")

    async def has_blob(self, descriptor: Descriptor, source: Source) -> bool:
        """Whether the repository has a blob, or gets it from another one of the same registry."""
        what = f"blob {descriptor.digest} of {self._repository}"
        if await self._has(f"blobs/{descriptor.digest}", what):
            return True
        if not isinstance(source, RegistrySource) or source.connection.place != self._connection.place:
            return False
        if source.repository == self._repository:
            return False
        path = (
            f"/v2/{self._repository}/blobs/uploads/?mount={descriptor.digest}&from={quote(source.repository, safe='')}"
        )
        location, mounted = await self._begin(path, what, f"{self._scope} {source.scope}")
        if not mounted:
            self._remember(descriptor, location)
        return mounted

    async def put_blob(self, descriptor: Descriptor, source: Source, advance: Advance) -> None:
        """Send a blob; raises DigestMismatch when what the source gave is not it."""
        what = f"blob {descriptor.digest} of {self._repository}"
        kept = self._journal.find(self._connection.place.host, self._repository, descriptor.digest)
        location, start = await self._offset(kept, what) if kept is not None else (None, 0)
        for left in reversed(range(_UPLOADS)):
            fresh = location is None or start > descriptor.size
            if location is None or fresh:
                location, start = (await self._begin(f"/v2/{self._repository}/blobs/uploads/", what, self._scope))[0], 0
                self._remember(descriptor, location)
            try:
                await self._upload(descriptor, source, location, start, advance, what)
            except (DigestMismatch, NotThere) as error:
                self._remember(descriptor, None)
                if not left or (fresh and isinstance(error, DigestMismatch)):
                    raise
                location = None  # what an earlier attempt sent was not this blob, or is gone
                continue
            self._remember(descriptor, None)
            return

    def name_of(self, named: Named, digest: str) -> str:
        """What people call it there."""
        return f"{self.label}{f':{named.tag}' if named.tag else f'@{digest}'}"

    async def put_manifest(self, manifest: Manifest, named: Named | None) -> None:
        """Push a manifest, under its tag when it has one."""
        reference = named.tag if named is not None and named.tag is not None else manifest.digest
        what = f"{self._repository}{'@' if reference == manifest.digest else ':'}{reference}"
        headers = {"Content-Type": manifest.media_type}
        path = f"/v2/{self._repository}/manifests/{quote(reference, safe=':')}"
        async with self._connection.request(
            "PUT", path, self._scope, headers=headers, body=manifest.content, expect=frozenset({201}), what=what
        ):
            return

    async def _has(self, path: str, what: str) -> bool:
        """Whether there is something at a path. What HEAD can't say, because its answer has no body, GET does."""
        expect = frozenset({200, 404})
        whole = f"/v2/{self._repository}/{path}"
        accept = {"Accept": "*/*"}
        for method in ("HEAD", "GET"):
            try:
                async with self._connection.request(
                    method, whole, self._scope, headers=accept, expect=expect, what=what
                ) as response:
                    return response.status == 200
            except (Refused, RegistryFailed):
                if method == "GET":
                    raise
        raise AssertionError("GET returns or raises")

    async def _begin(self, path: str, what: str, scope: str) -> tuple[str, bool]:
        """Begin an upload, or mount; makes the repository when that is what is missing. The location, and whether all is there."""
        for attempt in range(2):
            try:
                headers = {"Content-Length": "0"}
                expect = frozenset({201, 202})
                async with self._connection.request(
                    "POST", path, scope, headers=headers, expect=expect, what=what
                ) as response:
                    return response.headers.get("Location", ""), response.status == 201
            except NotThere:
                if self._create is None or attempt:
                    raise
                async with self._creating:
                    if self._create is not None:
                        await self._create(self._repository)
        raise AssertionError("the second attempt returns or raises")

    async def _offset(self, location: str, what: str) -> tuple[str | None, int]:
        """Where an upload goes on; (None, 0) when the registry has forgotten it."""
        expect = frozenset({200, 202, 204})
        try:
            async with self._connection.request("GET", location, self._scope, expect=expect, what=what) as response:
                match = _RANGE.fullmatch(response.headers.get("Range", ""))
                end = int(match[1]) + 1 if match is not None else 0
                return response.headers.get("Location", location), 0 if end == 1 else end
        except Broken:
            raise
        except ImageError:
            return None, 0

    async def _upload(
        self, descriptor: Descriptor, source: Source, location: str, start: int, advance: Advance, what: str
    ) -> None:
        """Send everything from `start` on, whatever breaks meanwhile, and close the upload."""
        idle = 0
        while start < descriptor.size:
            sending = _Sending(descriptor, source, start, advance)
            try:
                location = await self._patch(location, sending, what)
                break
            except Broken:
                if sending.failure is not None:
                    raise sending.failure from None
                found, reached = await self._offset(location, what)
                idle = 0 if reached > start else idle + 1
                if found is None or idle == ATTEMPTS:
                    raise
                location, start = found, reached
                await asyncio.sleep(wait(idle))
        await self._close(location, descriptor, source, what)

    async def _patch(self, location: str, sending: _Sending, what: str) -> str:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(sending.length)}
        if sending.start:
            headers["Content-Range"] = f"{sending.start}-{sending.descriptor.size - 1}"
        expect = frozenset({201, 202, 204})
        try:
            async with self._connection.request(
                "PATCH",
                location,
                self._scope,
                headers=headers,
                body=sending.content,
                expect=expect,
                what=what,
                attempts=1,
            ) as response:
                return response.headers.get("Location", location)
        except RegistryFailed as error:
            if sending.failure is not None:
                raise sending.failure from None
            if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise Broken(str(error)) from error
            raise

    async def _close(self, location: str, descriptor: Descriptor, source: Source, what: str) -> None:
        separator = "&" if "?" in location else "?"
        path = f"{location}{separator}digest={quote(descriptor.digest, safe='')}"
        headers = {"Content-Length": "0"}
        try:
            async with self._connection.request(
                "PUT", path, self._scope, headers=headers, expect=frozenset({201}), what=what
            ):
                return
        except (RegistryFailed, NotThere) as error:
            if isinstance(error, RegistryFailed) and error.code == "DIGEST_INVALID":
                raise DigestMismatch(
                    f"{source.label}: the content of {descriptor.digest} is not what its digest says ({error})"
                ) from error
            if await self._has(f"blobs/{descriptor.digest}", what):  # the answer was lost, and the upload with it
                return
            raise

    def _remember(self, descriptor: Descriptor, location: str | None) -> None:
        self._journal.keep(self._connection.place.host, self._repository, descriptor.digest, location)


class _Sending:
    """The rest of a blob on its way. `failure` is the source's error: the HTTP client makes another one of it."""

    def __init__(self, descriptor: Descriptor, source: Source, start: int, advance: Advance) -> None:
        self.descriptor = descriptor
        self.start = start
        self.length = descriptor.size - start
        self.failure: ImageError | None = None
        self._source = source
        self._advance = advance

    async def content(self) -> AsyncGenerator[bytes]:
        """The bytes; what the digest does not fit is not sent to its end."""
        running = Running(self.descriptor.digest) if self.start == 0 else None
        sent = self.start
        try:
            async for chunk in self._source.blob(self.descriptor, self.start):
                sent += len(chunk)
                if running is not None:
                    running.feed(chunk)
                if sent > self.descriptor.size:
                    raise RegistryFailed(
                        f"{self._source.label}: {self.descriptor.digest} is longer than {self.descriptor.size} bytes"
                    )
                if running is not None and sent == self.descriptor.size and running.digest != self.descriptor.digest:
                    raise DigestMismatch.of(
                        f"{self._source.label}: blob {self.descriptor.digest}", self.descriptor.digest, running.digest
                    )
                yield chunk
                self._advance(sent)
        except ImageError as error:
            self.failure = error
            raise
