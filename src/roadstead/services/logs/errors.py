"""CloudWatch Logs' errors, by their modeled names."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError


class ResourceNotFoundException(ServiceError):
    """The log group or stream does not exist."""


class ResourceAlreadyExistsException(ServiceError):
    """The log group or stream exists already."""


class InvalidParameterException(ServiceError):
    """A parameter is out of its bounds."""
