"""Keys that the servers of one database share and nobody else needs to know."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import Column, LargeBinary, String, Table, insert, select

from roadstead.store.metadata import metadata

if TYPE_CHECKING:
    from roadstead.store.transaction import Transaction

PURPOSES = ("pagination",)
"""Keys that every database has from its first migration on."""

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("key", LargeBinary, nullable=False),
)


class Keys:
    """The signing keys of one database, read once."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    async def get(self, tx: Transaction, name: str) -> bytes:
        """The key `name`; raises NoResultFound when the database has none."""
        if name not in self._known:
            self._known[name] = (
                await tx.execute(select(signing_keys.c.key).where(signing_keys.c.name == name))
            ).scalar_one()
        return self._known[name]


async def create_missing_keys(tx: Transaction) -> None:
    """Draw the keys that this database does not have yet."""
    present = set((await tx.execute(select(signing_keys.c.name))).scalars())
    for name in PURPOSES:
        if name not in present:
            await tx.execute(insert(signing_keys).values(name=name, key=secrets.token_bytes(32)))
