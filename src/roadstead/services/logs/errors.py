"""CloudWatch Logs' errors, by their modeled names."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError


class ResourceNotFoundException(ServiceError):
    """The log group or stream does not exist."""


class ResourceAlreadyExistsException(ServiceError):
    """The log group or stream exists already."""


class TooManyTagsException(ServiceError):
    """A resource would have more tags than it may."""

    def __init__(self, message: str, *, resource: str) -> None:
        super().__init__(message, members={"resourceName": resource})


class InvalidParameterException(ServiceError):
    """A parameter is out of its bounds."""
