"""The keys that sign tokens for others, as the deployment's own identity provider: made when they are needed, and anew each month.

A new key is published for an hour before it signs, so that who keeps our keys for a while knows it, and for two days after the next one.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import delete, insert, select

from roadstead.access.master_key import MasterKey
from roadstead.kernel.clock import Clock
from roadstead.services.sts.tables import token_keys
from roadstead.store import Store, Transaction

ALGORITHMS = ("RS256", "ES384")
ROTATED_AFTER = timedelta(days=30)
PUBLISHED_BEFORE = timedelta(hours=1)
PUBLISHED_AFTER = timedelta(days=2)
"""Longer than the hour that a token lives at most."""
_RSA_BITS = 2048
SigningKey = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key with its private half."""

    key_id: str
    algorithm: str
    key: SigningKey
    created_at: datetime

    @property
    def public(self) -> dict[str, Any]:
        """As a JWK."""
        return {**self.key.as_dict(private=False), "kid": self.key_id, "alg": self.algorithm, "use": "sig"}


class TokenKeys:
    """The keys of all servers of a deployment, in their database."""

    def __init__(self, store: Store, master: MasterKey, clock: Clock) -> None:
        self._store = store
        self._master = master
        self._clock = clock
        self._opened: dict[str, TokenKey] = {}

    async def published(self) -> Sequence[TokenKey]:
        """Every key under which tokens may be signed, the oldest first."""
        async with self._store.snapshot() as tx:
            return await self._read(tx)

    async def signing(self, algorithm: str) -> TokenKey:
        """The key that signs now; it is made where there is none, and its successor where it is old. Waits for the database and a thread."""
        keys = [key for key in await self.published() if key.algorithm == algorithm]
        if not keys or self._clock.now() - keys[-1].created_at >= ROTATED_AFTER:
            made = await asyncio.to_thread(_generate, algorithm)
            keys = await self._store.run(lambda tx: self._add(tx, algorithm, made))
        settled = self._clock.now() - PUBLISHED_BEFORE
        return next((key for key in reversed(keys) if key.created_at <= settled), keys[0])

    async def _add(self, tx: Transaction, algorithm: str, made: SigningKey) -> list[TokenKey]:
        """Keep a new key, unless another server did so meanwhile; keys go that signed nothing which still counts."""
        now = self._clock.now()
        keys = [key for key in await self._read(tx) if key.algorithm == algorithm]
        if keys and now - keys[-1].created_at < ROTATED_AFTER:
            return keys
        key_id = str(uuid.uuid4())
        wrapped = self._master.encrypt(made.as_pem(private=True), _context(key_id))
        await tx.execute(insert(token_keys).values(key_id=key_id, algorithm=algorithm, wrapped=wrapped, created_at=now))
        for old in keys[:-1]:
            if now - old.created_at > ROTATED_AFTER + PUBLISHED_BEFORE + PUBLISHED_AFTER:
                await tx.execute(delete(token_keys).where(token_keys.c.key_id == old.key_id))
        return [*keys, TokenKey(key_id, algorithm, made, now)]

    async def _read(self, tx: Transaction) -> list[TokenKey]:
        rows = (await tx.execute(select(token_keys).order_by(token_keys.c.created_at, token_keys.c.key_id))).all()
        return [self._open(row) for row in rows]

    def _open(self, row: Any) -> TokenKey:
        key_id, algorithm = str(row.key_id), str(row.algorithm)
        found = self._opened.get(key_id)
        if found is None:
            pem = self._master.decrypt(bytes(row.wrapped), _context(key_id))
            key = RSAKey.import_key(pem) if algorithm.startswith("RS") else ECKey.import_key(pem)
            found = self._opened[key_id] = TokenKey(key_id, algorithm, key, row.created_at)
        return found


def _generate(algorithm: str) -> SigningKey:
    return RSAKey.generate_key(_RSA_BITS) if algorithm.startswith("RS") else ECKey.generate_key("P-384")


def _context(key_id: str) -> str:
    return f"token-key:{key_id}"
