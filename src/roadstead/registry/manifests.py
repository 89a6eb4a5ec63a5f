"""Manifests: pull, push, delete (OCI distribution 1.1, "Pulling manifests", "Pushing Manifests", "Deleting")."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import NoReturn

from roadstead.registry.call import Call
from roadstead.registry.errors import RegistryError, digest_invalid, manifest_archived, manifest_unknown
from roadstead.registry.http import Repeatable, Response, digest_header, location
from roadstead.registry.recent import Kept
from roadstead.services.ecr.api import (
    MAX_MANIFEST_BYTES,
    StoredManifest,
    delete_image,
    delete_tag,
    digest_of,
    is_archived,
    is_digest,
    is_tag,
    lists_with,
    manifest_by_digest,
    manifest_by_tag,
    parse_manifest,
    put_manifest,
    require_repository,
)
from roadstead.store import Transaction

_MAX_TAGS_AT_ONCE = 10


async def get_manifest(call: Call) -> Response:
    """GET and HEAD by tag or digest."""
    found, kept = await _find(call)
    given = _giving(call, found)
    given()
    etag = b'"%b"' % found.digest.encode()
    headers = [
        (b"content-type", found.media_type.encode()),
        digest_header(found.digest),
        (b"etag", etag),
    ]
    if call.request.has_already(etag):
        return Response(HTTPStatus.NOT_MODIFIED, headers)
    response = Response(HTTPStatus.OK, headers, found.content)
    if kept is not None and not call.key.is_public:  # public pulls are counted, one by one
        response.repeatable = Repeatable(call.holding(kept, call.backend.manifests), given)
    return response


async def put_manifest_endpoint(call: Call) -> Response:
    """PUT by tag or digest; by digest, `tag` parameters name it too."""
    async with call.reading("ecr:PutImage") as tx:  # before a body of megabytes is read
        await require_repository(tx, call.key)
    tags = _tags_to_put(call)
    content = await call.request.body(MAX_MANIFEST_BYTES, "the manifest")
    digest = digest_of(content, call.argument)
    if ":" in call.argument and digest != call.argument:
        raise digest_invalid(call.argument)
    manifest = parse_manifest(content, _media_type(call))

    async def put(tx: Transaction) -> None:
        repository = await require_repository(tx, call.key)
        await put_manifest(tx, repository, manifest, content, digest, tags, call.backend.storage.limits)

    await call.writing("ecr:PutImage", put)
    headers = [location(f"{call.base}/manifests/{digest}"), digest_header(digest)]
    if manifest.subject is not None:
        headers.append((b"oci-subject", manifest.subject.encode()))
    if ":" in call.argument:
        headers += [(b"oci-tag", tag.encode()) for tag in tags]
    return Response(HTTPStatus.CREATED, headers)


async def delete_manifest(call: Call) -> Response:
    """DELETE: a tag goes alone, a digest takes the image and its tags."""

    async def remove(tx: Transaction) -> bool:
        if not is_digest(call.argument):
            return await delete_tag(tx, call.key, call.argument)
        lists = await lists_with(tx, call.key, call.argument)
        if lists:
            message = f"Requested image referenced by manifest list: [{', '.join(lists)}]"
            raise RegistryError(HTTPStatus.CONFLICT, "DENIED", message)
        return await delete_image(tx, call.key, call.argument)

    _check_reference(call)
    if not await call.writing("ecr:BatchDeleteImage", remove):
        raise manifest_unknown()
    return Response(HTTPStatus.ACCEPTED)


def _giving(call: Call, found: StoredManifest) -> Callable[[], None]:
    """What notes that a manifest was given: a pull, unless the client only asked whether it is there."""
    if call.request.method == "HEAD":
        return lambda: None
    return partial(call.backend.pulls.pulled, call.key, found.digest, call.login.identity)


async def _find(call: Call) -> tuple[StoredManifest, Kept[StoredManifest] | None]:
    _check_reference(call)
    recent, question = call.backend.manifests, call.question
    kept = recent.find(question)
    if kept is not None:
        return kept.answer, kept
    version = recent.version()
    found = await call.backend.pull_through.current(call.key, call.argument, partial(_read, call), call.allow)
    if found is None:
        await _missing(call)
    return found, recent.remember(question, found, version)


async def _read(call: Call) -> StoredManifest | None:
    async with call.reading("ecr:BatchGetImage") as tx:
        by_digest = ":" in call.argument
        return await (manifest_by_digest if by_digest else manifest_by_tag)(tx, call.key, call.argument)


async def _missing(call: Call) -> NoReturn:
    async with call.reading("ecr:BatchGetImage") as tx:
        await require_repository(tx, call.key)
        if await is_archived(tx, call.key, call.argument):
            raise manifest_archived()
    raise manifest_unknown()


def _check_reference(call: Call) -> None:
    reference = call.argument
    if ":" in reference:
        if not is_digest(reference):
            raise digest_invalid(reference)
    elif not is_tag(reference):
        raise RegistryError(HTTPStatus.BAD_REQUEST, "TAG_INVALID", f"invalid tag: {reference[:256]!r}")


def _tags_to_put(call: Call) -> list[str]:
    _check_reference(call)
    if not is_digest(call.argument):
        return [call.argument]
    tags = call.request.queries("tag")
    if len(tags) > _MAX_TAGS_AT_ONCE:
        message = f"at most {_MAX_TAGS_AT_ONCE} tags at once"
        raise RegistryError(HTTPStatus.REQUEST_URI_TOO_LONG, "TAG_INVALID", message)
    if not all(is_tag(tag) for tag in tags):
        raise RegistryError(HTTPStatus.BAD_REQUEST, "TAG_INVALID", "invalid tag parameter")
    return tags


def _media_type(call: Call) -> str | None:
    given = call.request.header(b"content-type")
    return None if given is None else given.partition(";")[0].strip()
