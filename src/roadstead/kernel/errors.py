"""Errors that reach a client of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class ServiceError(Exception):
    """An error that a service answers with, by its AWS name.

    The code is the class's name unless `code` is set; `status` is the HTTP status where the service's model names none;
    `members` are further members of the modeled error shape (for example `fieldList`).
    """

    code: ClassVar[str] = ""
    status: ClassVar[int] = 400

    def __init__(self, message: str, *, members: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.members: Mapping[str, object] = members or {}

    @property
    def error_code(self) -> str:
        """The AWS error code."""
        return self.code or type(self).__name__


class AccessDeniedException(ServiceError):
    """The principal may not perform the action (json and rest-json services; query services answer `AccessDenied`)."""

    status = 400


class InvalidRequest(ServiceError):
    """A request that no service would serve, where the service's own words for that are not known."""


class InternalFailure(ServiceError):
    """A fault of ours; the message tells nothing of the inside."""

    status = 500


class ServerException(ServiceError):
    """The same in the words of ECS and ECR, whose models have it."""

    status = 500


class ServiceUnavailable(ServiceError):
    """The server can't serve now: it is draining, starting or its database is away."""

    status = 503


class NotImplementedByRoadstead(ServiceError):
    """The service or operation exists on AWS and is not built here; the message names it."""

    code = "NotImplemented"
    status = 501
