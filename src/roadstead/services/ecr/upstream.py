"""What a pull through cache asks of an upstream repository, wherever that is, and why it may not be given it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from roadstead.services.ecr.content import StoredManifest
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.store import Transaction


class UpstreamError(Exception):
    """The upstream did not give what was asked for; the text says why."""


class UpstreamUnavailable(UpstreamError):
    """It can't be reached, or has a fault of its own."""


class UpstreamAccessDenied(UpstreamError):
    """It does not let us."""


class UpstreamSecretLost(UpstreamAccessDenied):
    """The settings do not have the secret of a rule any more: its upstream is not even asked."""


class UpstreamTooManyRequests(UpstreamError):
    """It wants us to ask less."""


class UpstreamNotFound(UpstreamError):
    """It does not have this."""


@dataclass(frozen=True, slots=True)
class FetchedManifest:
    """A manifest as the upstream has it."""

    content: bytes
    media_type: str | None


class UpstreamRepository(Protocol):
    """A repository of another registry, as a rule lets us in. Every method raises UpstreamError."""

    @property
    def registry(self) -> str:
        """Which registry, for the log."""
        ...

    async def digest_of(self, tag: str) -> str | None:
        """The digest that a tag has; None where the upstream does not say."""
        ...

    async def manifest(self, reference: str) -> FetchedManifest:
        """A manifest by tag or digest."""
        ...

    async def bring_blobs(self, key: RepositoryKey, blobs: Mapping[str, int]) -> None:
        """Let the repository `key` of this deployment, which does not see any of these blobs, see them all.

        `blobs` are digests, and how many bytes each is to have: 0 where that is not known.
        Raises LimitExceededException where there is no room for them, and RepositoryNotFoundException.
        """
        ...

    async def check(self) -> None:
        """Return when the upstream answers and lets us in."""
        ...


class Allow(Protocol):
    """Decides an action on the repository in question; raises the asker's access-denied error."""

    async def __call__(self, tx: Transaction, action: str) -> None:
        """Return when allowed."""
        ...


Read = Callable[[], Awaitable[StoredManifest | None]]
"""Reads a manifest that is here, past its own decision whether it may be read."""


class Current(Protocol):
    """Gives a manifest of a repository of this deployment, for whose own rule its upstream is asked first, where that is due."""

    async def __call__(self, key: RepositoryKey, reference: str, read: Read, allow: Allow) -> StoredManifest | None:
        """The manifest, None where neither has it. Raises UpstreamError, and what `read` and `allow` raise."""
        ...
