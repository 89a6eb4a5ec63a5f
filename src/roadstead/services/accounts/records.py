"""Rows of accounts, and which account a request is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from roadstead.access.resource import Named
from roadstead.access.tables import accounts
from roadstead.kernel.arn import Arn
from roadstead.kernel.errors import AccessDeniedException
from roadstead.kernel.settings import Deployment
from roadstead.services.accounts.errors import AccountNotFoundException
from roadstead.services.operation import Context
from roadstead.store import Transaction

DEFAULT_NAME = "default"
"""The name of the account that a deployment is born with."""


def account_arn(ctx: Context, account: str) -> Arn:
    """The ARN that policies name an account by; it belongs to the managing account."""
    return Arn(service="roadstead", region=ctx.region, account=ctx.deployment.account, resource=f"account/{account}")


async def named_account(ctx: Context, request: Mapping[str, str]) -> Sequence[Named]:
    """The resource of the operations that name an account; one that is to be made may have no id yet."""
    return [account_arn(ctx, request.get("accountId", "*"))]


def require_managing(ctx: Context) -> None:
    """Return when the caller belongs to the deployment's own account, which manages the others."""
    if ctx.account != ctx.deployment.account:
        raise AccessDeniedException("Accounts are managed by the deployment's own account only.")


async def find_account(tx: Transaction, account: str) -> Any | None:
    """An account's row."""
    return (await tx.execute(select(accounts).where(accounts.c.account == account))).one_or_none()


async def account_exists(tx: Transaction, account: str) -> bool:
    """Whether the deployment has this account."""
    return await find_account(tx, account) is not None


async def require_account(ctx: Context, account: str) -> Any:
    """An account's row; raises AccountNotFoundException."""
    row = await find_account(ctx.tx, account)
    if row is None:
        raise AccountNotFoundException(f"There is no account {account} in this deployment.")
    return row


def account_view(ctx: Context, row: Any) -> dict[str, object]:
    """The model's shape of a row."""
    return {
        "accountId": row.account,
        "accountName": row.name,
        "arn": str(account_arn(ctx, row.account)),
        "status": "ACTIVE",
        "isManaging": row.account == ctx.deployment.account,
        "createdAt": row.created_at,
    }


async def ensure_default_account(tx: Transaction, deployment: Deployment, now: datetime) -> None:
    """Make the row of the deployment's own account, where it is missing."""
    if await find_account(tx, deployment.account) is None:
        await tx.execute(insert(accounts).values(account=deployment.account, name=DEFAULT_NAME, created_at=now))
