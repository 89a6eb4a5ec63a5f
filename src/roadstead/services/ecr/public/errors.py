"""Errors that only ECR Public has (API reference: ECR Public, section Errors of each operation)."""

from __future__ import annotations

from roadstead.kernel.errors import ServiceError
from roadstead.services.ecr.keys import RepositoryKey


class RegistryNotFoundException(ServiceError):
    """No public registry has this alias."""

    @classmethod
    def of(cls, name: str) -> RegistryNotFoundException:
        """The error of this alias or account."""
        return cls(f"The registry with name '{name}' does not exist")


class RepositoryCatalogDataNotFoundException(ServiceError):
    """The repository has no catalog data."""

    @classmethod
    def of(cls, key: RepositoryKey) -> RepositoryCatalogDataNotFoundException:
        """The error of this repository."""
        return cls(
            f"Catalog data does not exist for the repository with name '{key.name}' in the registry with id '{key.account}'"
        )


class UnsupportedCommandException(ServiceError):
    """The operation isn't offered in this region."""
