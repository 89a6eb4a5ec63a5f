"""IAM's errors, by their modeled names."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError


class EntityAlreadyExistsException(ServiceError):
    """An entity of this name exists already."""


class NoSuchEntityException(ServiceError):
    """No entity of this name exists."""


class DeleteConflictException(ServiceError):
    """The entity still has something attached."""


class MalformedPolicyDocumentException(ServiceError):
    """The policy does not follow the grammar."""


class LimitExceededException(ServiceError):
    """A quota of the account is used up."""
