"""Ask the registry what a reference names, with one task's credentials (OCI distribution-spec, "Pulling manifests").

Every launch asks, also when the image is present: an answer is the permission to use it.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlsplit

from roadstead.agent.runtime.errors import (
    CannotPullContainer,
    ImageNotFound,
    PullDenied,
    RegistryAway,
    RegistryUnreachable,
)
from roadstead.agent.runtime.reference import Reference

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_TIMEOUT = 10.0
_TEXT_LIMIT = 1024
_MANIFEST_LIMIT = 8 << 20
_THREADS = 64


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """The registry's answer to one request for a manifest."""

    status: int
    digest: str
    body: bytes


def error_text(body: bytes) -> str:
    """The message in an error body of the distribution-spec, or "" where there is none."""
    try:
        document: object = json.loads(body)
    except ValueError:
        return body[:_TEXT_LIMIT].decode(errors="replace").strip()
    if isinstance(document, Mapping):
        errors = cast("Mapping[str, object]", document).get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
            first = cast("Mapping[str, object]", errors[0])
            return str(first.get("message") or first.get("code") or "")
    return ""


def judge(reference: Reference, answer: RegistryAnswer) -> CannotPullContainer | None:
    """The error that an answer means for a pull, or None when the manifest is there."""
    text = error_text(answer.body) if answer.status >= 400 else ""
    prefix = f"failed to resolve ref {reference}: "
    if answer.status in {401, 403}:
        fallback = "no basic auth credentials" if answer.status == 401 else "access denied"
        return PullDenied(
            f"{prefix}pull access denied, repository does not exist or may require authorization: {text or fallback}"
        )
    if answer.status == 404:
        return ImageNotFound(f"{prefix}{reference}: not found" + (f": {text}" if text else ""))
    if answer.status == 429 or answer.status >= 500:
        return RegistryUnreachable(
            f"{prefix}unexpected status {answer.status} from the registry" + (f": {text}" if text else "")
        )
    if answer.status != 200:
        return CannotPullContainer(
            f"{prefix}unexpected status {answer.status} from the registry" + (f": {text}" if text else "")
        )
    if not answer.digest:
        return CannotPullContainer(f"{prefix}the registry named no digest")
    return None


class Resolver:
    """Asks in threads of its own: a registry whose upstream hangs would hold all that make and free other tasks. Close it when done."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "registry")

    async def resolve(self, registry: str, reference: Reference, authorization: str | None) -> str:
        """The digest that `reference` names now in the registry at URL `registry`.

        `authorization` is the whole header's value. Raises CannotPullContainer and its kinds.
        """
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._threads, _ask, registry, reference, authorization)
        if (error := judge(reference, answer)) is not None:
            raise error
        return answer.digest

    def close(self) -> None:
        """End the threads, each once its question is answered."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _ask(registry: str, reference: Reference, authorization: str | None) -> RegistryAnswer:
    url = urlsplit(registry)
    headers = {"Accept": ", ".join(MANIFEST_TYPES), "User-Agent": "roadstead-agent"}
    if authorization:
        headers["Authorization"] = authorization
    target = (
        f"/v2/{reference.repository}/manifests/{quote(reference.target, safe=':')}?ns={quote(reference.host, safe='')}"
    )
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT)
    try:
        _connect(connection, f"failed to resolve ref {reference}: {registry}")
        answer = _request(connection, "HEAD", target, headers)
        if answer.status == 200 and answer.digest:
            return answer
        return _request(connection, "GET", target, headers)
    except (OSError, http.client.HTTPException) as error:
        raise RegistryUnreachable(
            f"failed to resolve ref {reference}: {registry}: {error or type(error).__name__}"
        ) from error
    finally:
        connection.close()


def _connect(connection: http.client.HTTPConnection, what: str) -> None:
    """Connect, so that a registry that is away is told from one that fails. A certificate that is not to be trusted passes as it is."""
    try:
        connection.connect()
    except ssl.SSLError:
        raise
    except OSError as error:
        raise RegistryAway(f"{what}: {error or type(error).__name__}") from error


def _request(
    connection: http.client.HTTPConnection, method: str, target: str, headers: dict[str, str]
) -> RegistryAnswer:
    connection.request(method, target, headers=headers)
    response = connection.getresponse()
    body = response.read(_MANIFEST_LIMIT)
    if response.length:
        connection.close()
    digest = response.getheader("Docker-Content-Digest", "")
    if method == "GET" and response.status == 200 and not digest:
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return RegistryAnswer(response.status, digest, body)
