"""Image references, by Docker's rules (distribution's reference grammar): what host, which repository, which tag or digest."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DEFAULT_HOST = "docker.io"
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
_HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?")


class InvalidReference(ValueError):
    """The text is no image reference."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A complete reference: a tag, a digest or both are present."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Complete `text` as Docker does: `web` is `docker.io/library/web:latest`. Raises InvalidReference."""
        name, _, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        if slash and (first == "localhost" or "." in first or ":" in first or first != first.lower()):
            host, remainder = first, rest
        else:
            host, remainder = _DEFAULT_HOST, name
        repository, colon, tag = remainder.partition(":")
        if host == _DEFAULT_HOST and "/" not in repository:
            repository = f"library/{repository}"
        valid = (
            _HOST.fullmatch(host)
            and _REPOSITORY.fullmatch(repository)
            and (not colon or _TAG.fullmatch(tag))
            and (("@" not in text) or _DIGEST.fullmatch(digest))
        )
        if not valid:
            raise InvalidReference(f"invalid reference format: {text!r}")
        if not tag and not digest:
            tag = "latest"
        return cls(host, repository, tag or None, digest or None)

    @property
    def target(self) -> str:
        """What to ask the registry for: the digest where there is one, the tag otherwise."""
        return self.digest or self.tag or "latest"

    def pinned(self, digest: str) -> str:
        """The name of one content of the repository: `host/repository@digest`."""
        return f"{self.host}/{self.repository}@{digest}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"
