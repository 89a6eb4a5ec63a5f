"""Image references as people type them: `web:1` is an image of the deployment, `HOST/…` one of that host."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from roadstead.core.oci.names import is_digest, is_repository_path, is_tag
from roadstead.images.errors import InvalidReference

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_DOCKER_HUB = "docker.io"
_OFFICIAL = "library/"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is: `host` is None for the deployment's own registry; neither tag nor digest means the repository."""

    host: str | None
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `[HOST/]REPOSITORY[:TAG][@DIGEST]`; the first part is a host when it has a dot or a colon, or is `localhost`.

        Raises InvalidReference.
        """
        name, at, digest = text.partition("@")
        first, slash, rest = name.partition("/")
        host = first if slash and (first == "localhost" or "." in first or ":" in first) else None
        repository, colon, tag = (rest if host is not None else name).partition(":")
        if host == _DOCKER_HUB and "/" not in repository:
            repository = _OFFICIAL + repository
        valid = (
            (host is None or _HOST.fullmatch(host))
            and is_repository_path(repository)
            and (not colon or is_tag(tag))
            and (not at or is_digest(digest))
        )
        if not valid:
            raise InvalidReference(f"{text!r} is no image reference; it takes [HOST/]REPOSITORY[:TAG][@DIGEST]")
        return cls(host, repository, tag or None, digest or None)

    @property
    def target(self) -> str:
        """What to ask a registry for: the digest where there is one, the tag otherwise, `latest` without both."""
        return self.digest or self.tag or "latest"

    def tagged(self, tag: str | None) -> Reference:
        """The same repository with another tag, or none."""
        return replace(self, tag=tag, digest=None)

    def __str__(self) -> str:
        host = f"{self.host}/" if self.host else ""
        return f"{host}{self.repository}{f':{self.tag}' if self.tag else ''}{f'@{self.digest}' if self.digest else ''}"


def local_name(full: str) -> tuple[str | None, str | None]:
    """Repository and tag of a name in an archive, its host dropped: `docker.io/library/web:1` is (`web`, `1`).

    A text that is a tag alone has no repository; (None, None) for what is no name at all.
    """
    if is_tag(full):
        return None, full
    try:
        reference = Reference.parse(full)
    except InvalidReference:
        return None, None
    repository = reference.repository
    if reference.host == _DOCKER_HUB:
        repository = repository.removeprefix(_OFFICIAL)
    return repository, reference.tag
