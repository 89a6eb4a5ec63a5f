"""Sealed tokens: a payload that only servers of this deployment can read, alone, without a database read.

Form: base64url of `key id (8 bytes) | nonce (12) | AES-256-GCM ciphertext`; the purpose is authenticated, so that a registry password can't be
used as a session token. Keys live in the database, wrapped by the master key; see `sealing_keys` for how they come and go.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from roadstead.access.master_key import MasterKey
from roadstead.access.sealing_keys import KEY_ID_BYTES, SETTLES, StoredKey, first_keys, read_keys
from roadstead.kernel.clock import Clock
from roadstead.store import Store, Transaction

_NONCE = 12
_READ_AGAIN_SECONDS = 5.0
"""How often tokens under unknown keys make a server look for new ones: most such tokens are forged."""
T = TypeVar("T")


class InvalidSeal(Exception):
    """The token was not sealed here, for this purpose, or it was changed."""


class UnknownSealingKey(InvalidSeal):
    """The token names a key that this server does not know: of another deployment, of long ago, or one that is newer than its keys."""


class ExpiredSeal(Exception):
    """The token was good until its time ran out."""


class _Envelope(msgspec.Struct, array_like=True):
    expires: float
    payload: msgspec.Raw


@dataclass(frozen=True, slots=True)
class _Key:
    aead: AESGCM
    created_at: datetime


class Sealer:
    """Seals and opens tokens. The newest key that every server knows seals; every known key opens."""

    def __init__(self, master: MasterKey, clock: Clock, stored: list[StoredKey]) -> None:
        self._master = master
        self._clock = clock
        self._keys: Mapping[bytes, _Key] = {}
        self._read_at = clock.monotonic()
        self._take(stored)

    @classmethod
    async def load(cls, store: Store, master: MasterKey, clock: Clock) -> Sealer:
        """Read the keys, making the first one in a new database. Raises MasterKeyError."""
        return cls(master, clock, await store.run(lambda tx: first_keys(tx, master, clock.now())))

    async def follow(self, tx: Transaction) -> None:
        """Take the keys as they are now."""
        stored = await read_keys(tx)
        self._read_at = self._clock.monotonic()
        self._take(stored)

    async def learnt(self, tx: Transaction) -> bool:
        """Whether keys were read again, for a token under an unknown one; not more than every few seconds."""
        if self._clock.monotonic() - self._read_at < _READ_AGAIN_SECONDS:
            return False
        await self.follow(tx)
        return True

    def seal(self, purpose: str, payload: msgspec.Struct, expires: datetime) -> str:
        """A token that holds `payload` for `purpose` until `expires` (aware)."""
        nonce = secrets.token_bytes(_NONCE)
        key_id, key = self._sealing_key()
        envelope = _Envelope(expires=expires.timestamp(), payload=msgspec.Raw(msgspec.json.encode(payload)))
        sealed = key.aead.encrypt(nonce, msgspec.json.encode(envelope), purpose.encode())
        return base64.urlsafe_b64encode(key_id + nonce + sealed).decode().rstrip("=")

    def open(self, purpose: str, token: str, kind: type[T]) -> T:
        """The payload of a token; raises InvalidSeal, of which UnknownSealingKey is one, or ExpiredSeal."""
        try:
            data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (ValueError, binascii.Error) as error:
            raise InvalidSeal(purpose) from error
        key = self._keys.get(data[:KEY_ID_BYTES])
        if key is None:
            raise UnknownSealingKey(purpose)
        nonce, sealed = data[KEY_ID_BYTES : KEY_ID_BYTES + _NONCE], data[KEY_ID_BYTES + _NONCE :]
        try:
            plain = key.aead.decrypt(nonce, sealed, purpose.encode())
            envelope = msgspec.json.decode(plain, type=_Envelope)
            payload = msgspec.json.decode(envelope.payload, type=kind)
        except (ValueError, InvalidTag, msgspec.MsgspecError) as error:
            raise InvalidSeal(purpose) from error
        if envelope.expires <= self._clock.now().timestamp():
            raise ExpiredSeal(purpose)
        return payload

    def _take(self, stored: list[StoredKey]) -> None:
        known = self._keys
        self._keys = {
            key.key_id: known.get(key.key_id) or _Key(AESGCM(key.unwrapped(self._master)), key.created_at)
            for key in sorted(stored, key=lambda key: key.created_at)
        }

    def _sealing_key(self) -> tuple[bytes, _Key]:
        """The newest key that has settled; the oldest one where none has, as in a new deployment or when the clock was set back."""
        settled = self._clock.now() - SETTLES
        found: tuple[bytes, _Key] | None = None
        for key_id, key in self._keys.items():
            if found is None or key.created_at <= settled:
                found = key_id, key
        if found is None:
            raise RuntimeError("there is no sealing key")
        return found
