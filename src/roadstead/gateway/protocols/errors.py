"""Errors that come from the wire, before any service sees the request."""

from __future__ import annotations

from collections.abc import Mapping

from roadstead.kernel.errors import ServiceError


class ProtocolError(ServiceError):
    """The request can't be read; the fault is the sender's."""


class SerializationException(ProtocolError):
    """A JSON or CBOR body is malformed or has a value of the wrong type."""


class MalformedQueryString(ProtocolError):
    """The form or query string has a syntax error (AWS common errors answer 404)."""

    status = 404


class MalformedInput(ProtocolError):
    """A query parameter is not of its member's type."""


class InvalidParameterValue(ProtocolError):
    """A parameter of EC2 is not of its member's type."""


class UnknownParameter(ProtocolError):
    """EC2 refuses parameters that the action does not have."""


class UnknownOperationException(ProtocolError):
    """A JSON or CBOR service has no such operation."""


class UnknownRoute(ProtocolError):
    """A REST service has no operation at this method and path."""

    code = "UnknownOperationException"
    status = 404


class InvalidAction(ProtocolError):
    """A query service has no such action."""


class NoSuchVersion(ProtocolError):
    """EC2 has no such API version."""


class MissingAction(ProtocolError):
    """A request to a query service names no action."""


class UnknownService(ProtocolError):
    """Nothing in the request names a service that a model exists for."""

    status = 404


class ValidationFailure(ServiceError):
    """Parameters break the model's constraints; the code is the one that the service uses for it."""

    def __init__(self, code: str, message: str, *, members: Mapping[str, object] | None = None) -> None:
        super().__init__(message, members=members)
        self._code = code

    @property
    def error_code(self) -> str:
        """The AWS error code."""
        return self._code


class UnserialisableResult(Exception):
    """An operation returned what its model does not allow: a fault of ours, never shown to the client."""
