"""The errors of the ECR API about what a pull through cache rule can't get, and why."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError
from roadstead.services.ecr.keys import RepositoryKey


class UnableToAccessSecretException(ServiceError):
    """The secret that a rule names is not one of its registry's."""

    @classmethod
    def of(cls, arn: str) -> UnableToAccessSecretException:
        """The error of this secret."""
        return cls(
            f"The secret is unable to be accessed: {arn}. The account and Region that the secret is in must match those of the registry"
        )


class UnableToGetUpstreamImageException(ServiceError):
    """An image can't be had by its pull through cache rule."""

    @classmethod
    def of(cls, key: RepositoryKey, reason: str) -> UnableToGetUpstreamImageException:
        """The error of this repository."""
        return cls(
            f"Unable to get the upstream image for the repository with name '{key.name}' "
            f"in the registry with id '{key.account}': {reason}"
        )


class UnableToGetUpstreamLayerException(ServiceError):
    """A layer can't be had by its pull through cache rule."""

    @classmethod
    def of(cls, key: RepositoryKey, digest: str, reason: str) -> UnableToGetUpstreamLayerException:
        """The error of this layer."""
        return cls(
            f"Unable to get the upstream layer with digest '{digest}' for the repository with name '{key.name}' "
            f"in the registry with id '{key.account}': {reason}"
        )
