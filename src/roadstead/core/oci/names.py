"""Names of things in a registry: repositories, tags, digests (ECR model patterns; OCI distribution 1.1, "Pulling manifests")."""

from __future__ import annotations

import re
from hashlib import sha256, sha512

REPOSITORY_PATTERN = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
TAG_PATTERN = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
DIGEST_PATTERN = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"

_REPOSITORY = re.compile(REPOSITORY_PATTERN, re.ASCII)
_TAG = re.compile(TAG_PATTERN, re.ASCII)
_DIGEST = re.compile(DIGEST_PATTERN, re.ASCII)


def is_repository_path(text: str) -> bool:
    """Whether this is a repository's path by the OCI specification, of up to 256 characters."""
    return 1 <= len(text) <= 256 and _REPOSITORY.fullmatch(text) is not None


def is_repository_name(text: str) -> bool:
    """Whether ECR would take this name: 2 to 256 characters of the model's pattern."""
    return len(text) >= 2 and is_repository_path(text)


def is_tag(text: str) -> bool:
    """Whether this is a tag by the OCI specification."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether this is a digest of an algorithm that is served: sha256 or sha512."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(content: bytes, like: str = "sha256:") -> str:
    """The digest of `content`, by the algorithm that `like` (a digest) names."""
    if like.startswith("sha512:"):
        return "sha512:" + sha512(content).hexdigest()
    return "sha256:" + sha256(content).hexdigest()
