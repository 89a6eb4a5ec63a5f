"""Images from a registry (OCI distribution 1.1, "Pull", "Listing Tags", "Listing Referrers")."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from urllib.parse import quote

import aiohttp
import msgspec

from roadstead.core.oci.media_types import IMAGE_TYPES, INDEX_TYPES, MAX_MANIFEST_BYTES, OCI_INDEX
from roadstead.core.oci.names import is_digest, is_tag
from roadstead.images.ends import Named
from roadstead.images.errors import BadArchive, NotThere, RegistryFailed
from roadstead.images.model import Descriptor, Manifest, check_descriptor, decode, read_manifest
from roadstead.images.references import Reference
from roadstead.images.registry.connection import ATTEMPTS, Broken, Connection, wait

_CHUNK = 1 << 20
_ACCEPT = ", ".join(sorted(INDEX_TYPES) + sorted(IMAGE_TYPES))
_OK = frozenset({200})
_MAX_PAGES = 10_000


class _Tags(msgspec.Struct, frozen=True):
    tags: list[str] | None = None


class _Referrers(msgspec.Struct, frozen=True):
    manifests: list[Descriptor] = []


class RegistrySource:
    """One repository as a source."""

    def __init__(self, connection: Connection, reference: Reference) -> None:
        self._connection = connection
        self._reference = reference
        self.repository = reference.repository
        self.scope = f"repository:{reference.repository}:pull"

    @property
    def connection(self) -> Connection:
        """The registry."""
        return self._connection

    @property
    def label(self) -> str:
        """Registry and repository."""
        return f"{self._connection.name}/{self.repository}"

    async def images(self, reference: Reference) -> list[Named]:
        """The image of a reference."""
        what = (
            f"{self.repository}:{reference.tag}"
            if reference.digest is None
            else f"{self.repository}@{reference.digest}"
        )
        manifest = await self._manifest(reference.target, "", what, reference.digest)
        tag = reference.tag or (None if reference.digest else "latest")
        name = f"{self.label}:{tag}" if tag else f"{self.label}@{manifest.digest}"
        return [Named(name, manifest.descriptor(), tag, self.repository)]

    async def tags(self) -> list[str]:
        """Every tag of the repository, in order."""
        found: list[str] = []
        path: str | None = f"/v2/{self.repository}/tags/list?n=1000"
        for _ in range(_MAX_PAGES):
            if path is None:
                return found
            what = f"the tags of {self.repository}"
            content, response = await self._document(path, what)
            page = decode(content, _Tags, f"{self._connection.name}: {what}")
            path = _next(response)
            found += [tag for tag in page.tags or [] if is_tag(tag)]
        raise RegistryFailed(f"{self.label} lists tags without end")

    async def manifest(self, descriptor: Descriptor) -> Manifest:
        """The manifest of a descriptor, verified."""
        what = f"{self.repository}@{descriptor.digest}"
        return await self._manifest(descriptor.digest, descriptor.media_type, what, descriptor.digest)

    async def blob(self, descriptor: Descriptor, start: int = 0) -> AsyncGenerator[bytes]:
        """The content of a blob; a broken connection is replaced, as long as each one brings some bytes."""
        done, idle = start, 0
        while done < descriptor.size:
            before = done
            try:
                async for chunk in self._part(descriptor, done):
                    done += len(chunk)
                    yield chunk
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                idle = 0 if done > before else idle + 1
                if idle == ATTEMPTS:
                    raise Broken(
                        f"{self.label}: blob {descriptor.digest} breaks off at byte {done}: {error}"
                    ) from error
                continue
            if done < descriptor.size:
                raise RegistryFailed(f"{self.label}: blob {descriptor.digest} ends at byte {done} of {descriptor.size}")

    async def referrers(self, digest: str) -> Sequence[Descriptor]:
        """What refers to a manifest: by the referrers API, or by the tag that stands for it where there is none."""
        what = f"the referrers of {self.repository}@{digest}"
        path: str | None = f"/v2/{self.repository}/referrers/{digest}"
        found: list[Descriptor] = []
        for _ in range(_MAX_PAGES):
            if path is None:
                return found
            content, response = await self._document(path, what, expect=frozenset({200, 404}))
            if response.status == 404:
                return await self._tagged_referrers(digest)
            document = decode(content, _Referrers, f"{self._connection.name}: {what}")
            path = _next(response)
            for descriptor in document.manifests:
                check_descriptor(descriptor, what)
                found.append(descriptor)
        raise RegistryFailed(f"{self._connection.name}: {what} have no end")

    async def _tagged_referrers(self, digest: str) -> Sequence[Descriptor]:
        tag = digest.replace(":", "-")
        try:
            index = await self._manifest(tag, OCI_INDEX, f"{self.repository}:{tag}", None)
        except NotThere:
            return ()
        return index.children

    async def _manifest(self, target: str, media_type: str, what: str, digest: str | None) -> Manifest:
        path = f"/v2/{self.repository}/manifests/{quote(target, safe=':')}"
        content, response = await self._document(path, what, headers={"Accept": _ACCEPT})
        given = response.headers.get("Content-Type", "").partition(";")[0].strip()
        told = response.headers.get("Docker-Content-Digest", "")
        if digest is None and is_digest(told):
            digest = told
        kind = media_type or (given if given in INDEX_TYPES | IMAGE_TYPES else "")
        return read_manifest(content, kind, f"{self._connection.name}/{what}", digest)

    async def _document(
        self, path: str, what: str, *, headers: Mapping[str, str] | None = None, expect: frozenset[int] = _OK
    ) -> tuple[bytes, aiohttp.ClientResponse]:
        """A document of at most the size of a manifest, with its answer; asked for again where the connection broke in it."""
        for attempt in range(ATTEMPTS):
            try:
                async with self._connection.request(
                    "GET", path, self.scope, headers=headers, expect=expect, what=what
                ) as response:
                    return await _body(response, what), response
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                if attempt + 1 == ATTEMPTS:
                    raise Broken(f"{self._connection.name}: {what}: the answer breaks off: {error}") from error
                await asyncio.sleep(wait(attempt))
        raise AssertionError("the last attempt returns or raises")

    async def _part(self, descriptor: Descriptor, start: int) -> AsyncGenerator[bytes]:
        headers = {"Range": f"bytes={start}-"} if start else {}
        path = f"/v2/{self.repository}/blobs/{descriptor.digest}"
        what = f"blob {descriptor.digest} of {self.repository}"
        expect = frozenset({200, 206})
        async with self._connection.request(
            "GET", path, self.scope, headers=headers, expect=expect, what=what
        ) as response:
            skip = start if response.status == 200 else 0
            async for chunk in response.content.iter_chunked(_CHUNK):
                kept = chunk[skip:]
                skip = max(0, skip - len(chunk))
                if kept:
                    yield kept


async def _body(response: aiohttp.ClientResponse, what: str) -> bytes:
    """A document of at most the size of a manifest."""
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_MANIFEST_BYTES:
            raise BadArchive(f"{what} has more than {MAX_MANIFEST_BYTES} bytes")
    return b"".join(parts)


def _next(response: aiohttp.ClientResponse) -> str | None:
    """The next page by the Link header (RFC 8288), which stays on the registry."""
    link = response.links.get("next")
    return None if link is None else str(link["url"])
