"""Sealed tokens: a payload that only servers of this deployment can read, alone, without a database read.

Form: base64url of `key id (8 bytes) | nonce (12) | AES-256-GCM ciphertext`; the purpose is authenticated, so that a registry password can't be
used as a session token. Keys live in the database, wrapped by the master key.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import datetime
from typing import TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import insert, select

from roadstead.access.master_key import MasterKey
from roadstead.access.tables import sealing_keys
from roadstead.kernel.clock import Clock
from roadstead.store import Store, Transaction

_KEY_ID = 8
_NONCE = 12
T = TypeVar("T")


class InvalidSeal(Exception):
    """The token was not sealed here, for this purpose, or it was changed."""


class ExpiredSeal(Exception):
    """The token was good until its time ran out."""


class _Envelope(msgspec.Struct, array_like=True):
    expires: float
    payload: msgspec.Raw


class Sealer:
    """Seals and opens tokens; the newest key seals, every known key opens."""

    def __init__(self, keys: dict[bytes, bytes], newest: bytes, clock: Clock) -> None:
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._newest = newest
        self._clock = clock

    @classmethod
    async def load(cls, store: Store, master: MasterKey, clock: Clock) -> Sealer:
        """Read the keys, making the first one in a new database."""

        async def read(tx: Transaction) -> list[tuple[str, bytes]]:
            stmt = select(sealing_keys.c.key_id, sealing_keys.c.wrapped).order_by(sealing_keys.c.created_at.desc())
            rows = (await tx.execute(stmt)).all()
            if rows:
                return [(str(row.key_id), bytes(row.wrapped)) for row in rows]
            key_id = secrets.token_bytes(_KEY_ID).hex()
            wrapped = master.encrypt(secrets.token_bytes(32), f"sealing-key:{key_id}")
            await tx.execute(insert(sealing_keys).values(key_id=key_id, wrapped=wrapped, created_at=clock.now()))
            return [(key_id, wrapped)]

        rows = await store.run(read)
        keys = {bytes.fromhex(k): master.decrypt(w, f"sealing-key:{k}") for k, w in rows}
        return cls(keys, bytes.fromhex(rows[0][0]), clock)

    def seal(self, purpose: str, payload: msgspec.Struct, expires: datetime) -> str:
        """A token that holds `payload` for `purpose` until `expires` (aware)."""
        nonce = secrets.token_bytes(_NONCE)
        envelope = _Envelope(expires=expires.timestamp(), payload=msgspec.Raw(msgspec.json.encode(payload)))
        sealed = self._keys[self._newest].encrypt(nonce, msgspec.json.encode(envelope), purpose.encode())
        return base64.urlsafe_b64encode(self._newest + nonce + sealed).decode().rstrip("=")

    def open(self, purpose: str, token: str, kind: type[T]) -> T:
        """The payload of a token; raises InvalidSeal or ExpiredSeal."""
        try:
            data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            aead = self._keys[data[:_KEY_ID]]
            plain = aead.decrypt(data[_KEY_ID : _KEY_ID + _NONCE], data[_KEY_ID + _NONCE :], purpose.encode())
            envelope = msgspec.json.decode(plain, type=_Envelope)
            payload = msgspec.json.decode(envelope.payload, type=kind)
        except (KeyError, ValueError, binascii.Error, InvalidTag, msgspec.MsgspecError) as error:
            raise InvalidSeal(purpose) from error
        if envelope.expires <= self._clock.now().timestamp():
            raise ExpiredSeal(purpose)
        return payload
