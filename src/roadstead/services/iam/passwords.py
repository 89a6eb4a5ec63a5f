"""Hashes of passwords: scrypt (RFC 7914), in a thread and outside of any write, because it takes its time by design."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from roadstead.store import Store

_COST, _BLOCK, _PARALLEL = 2**15, 8, 1
_MEMORY = 2 * 128 * _COST * _BLOCK
_BYTES = 32

KEPT = 24
"""How many older hashes are kept: the most that a policy can ask for."""


def new_salt() -> bytes:
    """A salt for one user. It stays the same, so that one hash tells whether a password was used before."""
    return secrets.token_bytes(16)


class Passwords:
    """Makes hashes; `store` is where the operations write once they have them."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def hashed(self, password: str, salt: bytes) -> bytes:
        """The hash of a password."""
        return await asyncio.to_thread(_scrypt, password, salt)


def same(one: bytes, other: bytes) -> bool:
    """Whether two hashes are equal, in constant time."""
    return hmac.compare_digest(one, other)


def used_before(hashed: bytes, current: bytes, previous: Sequence[str], within: int) -> bool:
    """Whether a hash is among the last `within` ones, the current one included; `previous` has the latest first."""
    known = [current, *(bytes.fromhex(text) for text in previous)][:within]
    return any(same(hashed, one) for one in known)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=_MEMORY, dklen=_BYTES)
