"""Identifiers in the shapes that AWS clients know."""

from __future__ import annotations

import secrets
import uuid
from hashlib import sha256

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def hex_id(length: int = 32) -> str:
    """A random lower-case hexadecimal id, as in ECS task ids (32 characters)."""
    return secrets.token_hex((length + 1) // 2)[:length]


def resource_id(prefix: str) -> str:
    """An EC2 style id: `prefix-` and 17 hexadecimal characters."""
    return f"{prefix}-{hex_id(17)}"


def unique_id(prefix: str) -> str:
    """An IAM style unique id: a four-letter prefix (AIDA, AKIA, ASIA, AROA) and 16 characters of base 32."""
    return prefix + "".join(secrets.choice(_BASE32) for _ in range(16))


def secret_key() -> str:
    """A 40 character secret access key."""
    return secrets.token_urlsafe(30)


def request_id() -> str:
    """A request id: a random UUID."""
    return str(uuid.uuid4())


def directory_tag(path: str) -> str:
    """The six hexadecimal characters that mark every kernel object of the deployment whose data directory is `path`."""
    return sha256(path.encode()).hexdigest()[:6]
