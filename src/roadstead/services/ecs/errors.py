"""Errors of ECS (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html and each operation's page)."""

from __future__ import annotations

from collections.abc import Sequence

from roadstead.kernel.errors import ServiceError


class ClientException(ServiceError):
    """The caller did something that does not fit the state of things."""


class InvalidParameterException(ServiceError):
    """A parameter is not valid."""


class ClusterNotFoundException(ServiceError):
    """No such cluster, or it was deleted."""

    def __init__(self, message: str = "Cluster not found.") -> None:
        super().__init__(message)


class ClusterContainsContainerInstancesException(ServiceError):
    """A cluster with instances can't be deleted."""


class ClusterContainsTasksException(ServiceError):
    """A cluster with tasks can't be deleted."""


class ServiceNotFoundException(ServiceError):
    """No such service."""


class PlatformUnknownException(ServiceError):
    """No such platform version."""


class ConflictException(ServiceError):
    """A client token came again with other parameters; `resourceIds` names the tasks that it made."""

    def __init__(self, message: str, *, tasks: Sequence[str]) -> None:
        super().__init__(message, members={"resourceIds": list(tasks)})


class ResourceNotFoundException(ServiceError):
    """No such resource."""
