"""Identifiers in the shapes that AWS clients know."""

from __future__ import annotations

import base64
import os
import secrets
from hashlib import sha256

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_UUID_FIXED = 0xF000 << 64 | 0xC000 << 48
_UUID_VERSION_4 = 0x4000 << 64 | 0x8000 << 48


def hex_id(length: int = 32) -> str:
    """A random lower-case hexadecimal id, as in ECS task ids (32 characters)."""
    return secrets.token_hex((length + 1) // 2)[:length]


def resource_id(prefix: str) -> str:
    """An EC2 style id: `prefix-` and 17 hexadecimal characters."""
    return f"{prefix}-{hex_id(17)}"


def unique_id(prefix: str) -> str:
    """An IAM style unique id: a four-letter prefix (AIDA, AKIA, ASIA, AROA) and 16 characters of base 32."""
    return prefix + "".join(secrets.choice(_BASE32) for _ in range(16))


def access_key_id(prefix: str, account: str) -> str:
    """An access key id (AKIA, ASIA) that names its account of twelve digits, as those of AWS do; see `account_of_key`."""
    number = (1 << 47) | (int(account) << 7) | secrets.randbits(7)
    data = number.to_bytes(6, "big") + secrets.token_bytes(4)
    return prefix + base64.b32encode(data).decode()


def account_of_key(key_id: str) -> str | None:
    """The account in an access key id; None for a text that is not such an id."""
    try:
        data = base64.b32decode(key_id[4:])
    except ValueError:
        return None
    if len(data) != 10:
        return None
    account = str((int.from_bytes(data[:6], "big") >> 7) & ((1 << 40) - 1)).zfill(12)
    return account if len(account) == 12 else None


def secret_key() -> str:
    """A secret access key: 40 characters of base 64, as those of AWS. None begins with `-`, which commands would take for an option."""
    return base64.b64encode(secrets.token_bytes(30)).decode()


def request_id() -> str:
    """A request id: a random UUID (RFC 9562 version 4)."""
    bits = int.from_bytes(os.urandom(16)) & ~_UUID_FIXED | _UUID_VERSION_4
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def directory_tag(path: str) -> str:
    """The six hexadecimal characters that mark every kernel object of the deployment whose data directory is `path`."""
    return sha256(path.encode()).hexdigest()[:6]
