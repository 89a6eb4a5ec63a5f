"""Digests of content that passes by."""

from __future__ import annotations

import hashlib


class Running:
    """The digest of what it was fed, by the algorithm of the digest that is expected."""

    def __init__(self, expected: str) -> None:
        self._algorithm = expected.partition(":")[0]
        self._hash = hashlib.new(self._algorithm)
        self.size = 0

    def feed(self, chunk: bytes) -> None:
        """Add a chunk."""
        self._hash.update(chunk)
        self.size += len(chunk)

    @property
    def digest(self) -> str:
        """The digest of all so far."""
        return f"{self._algorithm}:{self._hash.hexdigest()}"
