"""The master key: one file of mode 0600 under which secrets in the database are encrypted."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class MasterKeyError(Exception):
    """The key file is missing, readable by others, or not the one that encrypted the data."""


class MasterKey:
    """Encrypts and decrypts small secrets with AES-256-GCM; `context` binds a ciphertext to its place."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._aead = AESGCM(key)

    @classmethod
    def load_or_create(cls, path: Path) -> MasterKey:
        """Read the key file, or make it (mode 0600, durable) when there is none.

        It appears under its name whole: who is killed meanwhile, has no room, or meets another server that makes it, leaves no half of one.
        """
        if path.exists():
            return cls.load(path)
        key = secrets.token_bytes(32)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            path.hardlink_to(draft)
        except FileExistsError:
            return cls.load(path)
        finally:
            draft.unlink(missing_ok=True)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return cls(key)

    @classmethod
    def load(cls, path: Path) -> MasterKey:
        """Read the key file; raises MasterKeyError when others may read it or it has the wrong length."""
        status = path.stat()
        if status.st_mode & 0o077:
            raise MasterKeyError(f"{path} may be read by others; run: chmod 600 {path}")
        key = path.read_bytes()
        if len(key) != 32:
            raise MasterKeyError(f"{path} is not a master key: it has {len(key)} bytes, not 32")
        return cls(key)

    def relay_key(self, host_id: str) -> bytes:
        """The key with which the relays of a host sign (`wire.relayed`): every server of the deployment knows it."""
        return hmac.digest(self._key, f"relay:{host_id}".encode(), "sha256")

    def encrypt(self, plain: bytes, context: str) -> bytes:
        """Nonce and ciphertext of `plain`."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._aead.encrypt(nonce, plain, context.encode())

    def decrypt(self, data: bytes, context: str) -> bytes:
        """The inverse of `encrypt`; raises MasterKeyError."""
        try:
            return self._aead.decrypt(data[:_NONCE], data[_NONCE:], context.encode())
        except InvalidTag as error:
            raise MasterKeyError("the master key does not fit the database") from error
