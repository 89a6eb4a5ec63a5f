"""Errors of the operations on accounts, by the names that AWS Organizations gives them where it has them."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError


class InvalidParameterException(ServiceError):
    """A parameter is not valid."""


class AccountNotFoundException(ServiceError):
    """The deployment has no such account."""


class AccountAlreadyExistsException(ServiceError):
    """The id or the name is taken."""


class ConstraintViolationException(ServiceError):
    """A limit would be broken."""


class MalformedPolicyDocumentException(ServiceError):
    """The policy does not follow the grammar."""


class PolicyNotAttachedException(ServiceError):
    """The account has no such policy."""
