"""Errors of EC2 (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html)."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError


class NotFound(ServiceError):
    """A resource does not exist; its code depends on the kind."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self._code = code

    @property
    def error_code(self) -> str:
        """`InvalidVpcID.NotFound` and its kin."""
        return self._code


class InvalidParameterValue(ServiceError):
    """A value is not valid."""


class InvalidParameterCombination(ServiceError):
    """Parameters that exclude each other."""


class InvalidNextToken(ServiceError):
    """A page token that was not given out for this request."""

    code = "InvalidNextToken"


class DryRunOperation(ServiceError):
    """The caller may do it, and only wanted to know."""

    status = 412

    def __init__(self) -> None:
        super().__init__("Request would have succeeded, but DryRun flag is set.")
