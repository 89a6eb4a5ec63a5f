"""Errors as the specification words them (OCI distribution 1.1, "Error Codes"), and what other parts raise, in those words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

import msgspec

from roadstead.access.errors import AccessDenied
from roadstead.kernel.errors import AccessDeniedException, ServiceError
from roadstead.registry.ranges import Unsatisfiable
from roadstead.services.ecr import errors as ecr
from roadstead.services.ecr.api import UpstreamAccessDenied, UpstreamError, UpstreamTooManyRequests
from roadstead.store import CommitFailed, StoreBusy, StoreUnavailable, TransactionConflict, UnstorableValue
from roadstead.store.blobs import BlobUnknown, StorageFull, StorageUnavailable, UploadUnknown

Header = tuple[bytes, bytes]


class RegistryError(Exception):
    """An answer that is an error: HTTP status, code of the specification, message, further headers."""

    def __init__(self, status: int, code: str, message: str, headers: Sequence[Header] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def body(self) -> bytes:
        """The JSON of the answer."""
        return msgspec.json.encode({"errors": [{"code": self.code, "message": self.message}]})


def name_invalid(name: str) -> RegistryError:
    """The repository's name is none."""
    return RegistryError(HTTPStatus.BAD_REQUEST, "NAME_INVALID", f"invalid repository name: {name[:256]!r}")


def method_not_allowed(methods: Iterable[str]) -> RegistryError:
    """The path has other methods than the request's: these (RFC 9110, 15.5.6)."""
    allow = [(b"allow", ", ".join(sorted(methods)).encode())]
    return RegistryError(HTTPStatus.METHOD_NOT_ALLOWED, "UNSUPPORTED", "The operation is unsupported.", allow)


def name_unknown(name: str) -> RegistryError:
    """No such repository."""
    return RegistryError(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", f"The repository with name '{name}' does not exist")


def digest_invalid(text: str) -> RegistryError:
    """What stands for a digest is none, or not the content's."""
    return RegistryError(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", f"invalid or unsupported digest: {text[:256]!r}")


def manifest_unknown() -> RegistryError:
    """No such manifest."""
    return RegistryError(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", "Requested image not found")


def blob_unknown() -> RegistryError:
    """No such blob in this repository."""
    return RegistryError(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry")


def blob_archived() -> RegistryError:
    """Only archived images have the blob."""
    return RegistryError(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", "the blob is archived")


def manifest_archived() -> RegistryError:
    """The image is archived, or on its way back."""
    return RegistryError(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", "Requested image is archived")


def upload_unknown() -> RegistryError:
    """No such upload in this repository."""
    return RegistryError(HTTPStatus.NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")


def too_large(what: str, limit: int) -> RegistryError:
    """The body is longer than `limit` bytes."""
    return RegistryError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "SIZE_INVALID", f"{what} is larger than {limit} bytes")


_SERVICE_ERRORS: dict[type[ServiceError], tuple[HTTPStatus, str]] = {
    ecr.RepositoryNotFoundException: (HTTPStatus.NOT_FOUND, "NAME_UNKNOWN"),
    ecr.LayersNotFoundException: (HTTPStatus.NOT_FOUND, "MANIFEST_BLOB_UNKNOWN"),
    ecr.ReferencedImagesNotFoundException: (HTTPStatus.NOT_FOUND, "MANIFEST_BLOB_UNKNOWN"),
    ecr.ImageTagAlreadyExistsException: (HTTPStatus.BAD_REQUEST, "TAG_INVALID"),
    ecr.ImageDigestDoesNotMatchException: (HTTPStatus.BAD_REQUEST, "DIGEST_INVALID"),
    ecr.InvalidParameterException: (HTTPStatus.BAD_REQUEST, "MANIFEST_INVALID"),
    ecr.LimitExceededException: (HTTPStatus.TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
    AccessDeniedException: (HTTPStatus.FORBIDDEN, "DENIED"),
}


def translate(error: Exception) -> RegistryError | None:
    """The answer to what services and store raise; None for what nobody expects."""
    match error:
        case RegistryError():
            return error
        case AccessDenied():
            return RegistryError(HTTPStatus.FORBIDDEN, "DENIED", error.message)
        case ServiceError() if type(error) in _SERVICE_ERRORS:
            status, code = _SERVICE_ERRORS[type(error)]
            return RegistryError(status, code, error.message)
        case UpstreamAccessDenied():
            return RegistryError(HTTPStatus.FORBIDDEN, "DENIED", f"the upstream registry refuses: {error}")
        case UpstreamTooManyRequests():
            return RegistryError(HTTPStatus.TOO_MANY_REQUESTS, "TOOMANYREQUESTS", f"the upstream registry: {error}")
        case UpstreamError():
            return RegistryError(HTTPStatus.BAD_GATEWAY, "UNAVAILABLE", f"the upstream registry is away: {error}")
        case UploadUnknown():
            return upload_unknown()
        case BlobUnknown():
            return blob_unknown()
        case Unsatisfiable():
            return RegistryError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "RANGE_INVALID", f"invalid range: {error}")
        case StorageFull():
            return RegistryError(HTTPStatus.INSUFFICIENT_STORAGE, "UNKNOWN", "no space left for content")
        case UnstorableValue():
            return RegistryError(HTTPStatus.BAD_REQUEST, "UNSUPPORTED", f"the request can't be kept: {error}")
        case CommitFailed() | StoreBusy() | StoreUnavailable() | TransactionConflict():
            return RegistryError(HTTPStatus.SERVICE_UNAVAILABLE, "UNAVAILABLE", "the registry can't write now")
        case StorageUnavailable():
            return RegistryError(HTTPStatus.SERVICE_UNAVAILABLE, "UNAVAILABLE", "content is out of reach now")
        case _:
            return None
