"""How sealing keys come and go, so that tokens sealed by one server open on all, at any moment.

A new key is made each day. Servers read the keys twice a minute and seal with a new one only after five minutes, when all of them know
it. A key that no longer seals opens what it sealed for as long as the longest-lived token, and then it is deleted.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import delete, insert, select

from roadstead.access.master_key import MasterKey
from roadstead.access.tables import sealing_keys
from roadstead.store import Transaction

KEY_ID_BYTES = 8
_KEY_BYTES = 32
ROTATED_AFTER = timedelta(days=1)
SETTLES = timedelta(minutes=5)
"""How long a new key is known before it seals."""
OPENS_FOR = timedelta(days=31)
"""How long a key opens after a newer one seals: longer than any token lives. Sessions live for 36 hours at most, the encoded messages
of denials for 30 days.
"""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the database has it, wrapped."""

    key_id: bytes
    wrapped: bytes
    created_at: datetime

    def unwrapped(self, master: MasterKey) -> bytes:
        """The key itself; raises MasterKeyError."""
        return master.decrypt(self.wrapped, _context(self.key_id))


async def read_keys(tx: Transaction) -> list[StoredKey]:
    """All keys, the oldest first."""
    rows = (await tx.execute(select(sealing_keys).order_by(sealing_keys.c.created_at))).all()
    return [StoredKey(bytes.fromhex(str(row.key_id)), bytes(row.wrapped), row.created_at) for row in rows]


async def first_keys(tx: Transaction, master: MasterKey, now: datetime) -> list[StoredKey]:
    """All keys, after making the first one where there is none."""
    return await read_keys(tx) or [await _add(tx, master, now)]


async def rotate_sealing_keys(tx: Transaction, master: MasterKey, now: datetime) -> int:
    """Add a key when the newest is old enough; delete those whose tokens are all dead, and say how many they were."""
    keys = await read_keys(tx)
    if not keys or now - keys[-1].created_at >= ROTATED_AFTER:
        keys.append(await _add(tx, master, now))
    dead = [key for key, newer in pairwise(keys) if newer.created_at + SETTLES + OPENS_FOR < now]
    if dead:
        names = [key.key_id.hex() for key in dead]
        await tx.execute(delete(sealing_keys).where(sealing_keys.c.key_id.in_(names)))
    return len(dead)


async def _add(tx: Transaction, master: MasterKey, now: datetime) -> StoredKey:
    key_id = secrets.token_bytes(KEY_ID_BYTES)
    wrapped = master.encrypt(secrets.token_bytes(_KEY_BYTES), _context(key_id))
    await tx.execute(insert(sealing_keys).values(key_id=key_id.hex(), wrapped=wrapped, created_at=now))
    return StoredKey(key_id, wrapped, now)


def _context(key_id: bytes) -> str:
    return f"sealing-key:{key_id.hex()}"
