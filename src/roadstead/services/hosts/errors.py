"""Errors of the internal service `roadstead`."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError


class InvalidParameterException(ServiceError):
    """A parameter is not valid."""


class HostNotFoundException(ServiceError):
    """No such host, or it belongs to somebody else."""
