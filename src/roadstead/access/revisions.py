"""The revision of an account's identities: changed in the transaction that changes any of them."""

from __future__ import annotations

import secrets

from sqlalchemy import insert, select, update

from roadstead.access.tables import account_revisions
from roadstead.store import Transaction


async def touch_account(tx: Transaction, account: str) -> None:
    """Make every cache of this account's identities stale as of this transaction's commit."""
    revision = secrets.randbits(62)
    stmt = update(account_revisions).where(account_revisions.c.account == account).values(revision=revision)
    if (await tx.execute(stmt)).rowcount == 0:
        await tx.execute(insert(account_revisions).values(account=account, revision=revision))


async def had_identities(tx: Transaction, account: str) -> bool:
    """Whether this account has, or once had, any identity in this database."""
    stmt = select(account_revisions.c.revision).where(account_revisions.c.account == account)
    return (await tx.execute(stmt)).first() is not None
