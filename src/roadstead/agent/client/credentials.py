"""The keys an agent signs with, and where it has them from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from roadstead.wire.identity import AgentIdentity


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """An access key, with the session token of a temporary one."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


class CredentialSource(Protocol):
    """Asked before every signature, so that keys may rotate."""

    def current(self) -> Credentials:
        """The keys to sign with now."""
        ...


@dataclass(frozen=True, slots=True)
class FixedCredentials:
    """Keys that don't change: those of a task's role until the next message."""

    credentials: Credentials

    def current(self) -> Credentials:
        """Always the same."""
        return self.credentials


class FileCredentials:
    """The keys of an `agent.json`, read again when the file changes. Not safe for several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: tuple[int, int] | None = None
        self._identity: AgentIdentity | None = None

    def identity(self) -> AgentIdentity:
        """The whole file; raises OSError and msgspec.MsgspecError."""
        status = self._path.stat()
        version = (status.st_mtime_ns, status.st_ino)
        if self._identity is None or version != self._version:
            self._identity = msgspec.json.decode(self._path.read_bytes(), type=AgentIdentity)
            self._version = version
        return self._identity

    def current(self) -> Credentials:
        """The keys in the file now."""
        identity = self.identity()
        return Credentials(identity.access_key_id, identity.secret_access_key, identity.session_token)
