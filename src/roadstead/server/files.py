"""Small secret files of a deployment, written so that a reader sees the old or the new one, whole."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Credentials(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`credentials.json`: the generated administrator."""

    account: str
    region: str
    endpoint: str
    access_key_id: str
    secret_access_key: str


def write_secret(path: Path, value: msgspec.Struct) -> None:
    """Replace a file of mode 0600 by the JSON of `value`, durably."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(value)))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_credentials(data: Path) -> Credentials:
    """The administrator's key of a data directory; raises FileNotFoundError and PermissionError."""
    return msgspec.json.decode((data / "credentials.json").read_bytes(), type=Credentials)
