"""CreateAccount, ListAccounts, DescribeAccount.

As AWS Organizations has them (https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateAccount.html), but at once: an
account has no e-mail address, and its first administrator's key is in the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TypedDict

from sqlalchemy import insert, select

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.held import service_control_texts
from roadstead.access.tables import accounts, users
from roadstead.kernel.settings import INTERNAL_ACCOUNT
from roadstead.services.accounts.errors import AccountAlreadyExistsException, InvalidParameterException
from roadstead.services.accounts.records import (
    account_view,
    find_account,
    named_account,
    require_account,
    require_managing,
)
from roadstead.services.accounts.service_control import FULL_ACCESS, put_policy
from roadstead.services.iam.api import account_with_administrator
from roadstead.services.operation import Context, operation
from roadstead.store.pagination import InvalidToken, Scope, page

_PAGE = 100


class CreateAccountRequest(TypedDict, total=False):
    """As the model."""

    accountName: str
    accountId: str


class DescribeAccountRequest(TypedDict):
    """As the model."""

    accountId: str


@operation("roadstead:CreateAccount", resources=named_account)
async def create_account(ctx: Context, request: CreateAccountRequest) -> dict[str, object]:
    """Make an account with an administrator, and with the role OrganizationAccountAccessRole for the managing account."""
    require_managing(ctx)
    name = request.get("accountName", "")
    taken = select(accounts.c.account).where(accounts.c.name == name)
    if (await ctx.tx.execute(taken)).first() is not None:
        raise AccountAlreadyExistsException(f"There is an account named {name} already.")
    account = await _account_id(ctx, request.get("accountId"))
    now = ctx.clock.now()
    await ctx.tx.execute(insert(accounts).values(account=account, name=name, created_at=now))
    await put_policy(ctx.tx, account, *FULL_ACCESS)
    master = ctx.component(Gatekeeper).master
    made = await account_with_administrator(ctx.tx, master=master, account=account, manager=ctx.account, now=now)
    return {
        "account": account_view(ctx, await require_account(ctx, account)),
        "administrator": {
            "userName": made.user_name,
            "accessKeyId": made.key.access_key_id,
            "secretAccessKey": made.key.secret_access_key,
        },
        "roleArn": str(made.role_arn),
    }


@operation("roadstead:ListAccounts", reads=True)
async def list_accounts(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """The accounts that were made, and the deployment's own, by id."""
    require_managing(ctx)
    scope = Scope("roadstead:ListAccounts", ctx.account, ctx.region, {})
    limit, token = request.get("maxResults"), request.get("nextToken")
    try:
        found = await page(
            ctx.tx,
            select(accounts),
            [accounts.c.account],
            limit=limit if isinstance(limit, int) else _PAGE,
            token=str(token) if token is not None else None,
            scope=scope,
        )
    except InvalidToken as error:
        raise InvalidParameterException("The nextToken is not valid.") from error
    more = {"nextToken": found.next_token} if found.next_token is not None else {}
    return {"accounts": [account_view(ctx, row) for row in found.rows], **more}


@operation("roadstead:DescribeAccount", resources=named_account, reads=True)
async def describe_account(ctx: Context, request: DescribeAccountRequest) -> dict[str, object]:
    """An account and the policies that limit it."""
    require_managing(ctx)
    row = await require_account(ctx, request["accountId"])
    limits = await service_control_texts(ctx.tx, row.account)
    return {
        "account": account_view(ctx, row),
        "serviceControlPolicies": [
            {"policyName": policy.source.name, "policyDocument": policy.text} for policy in limits
        ],
    }


async def _account_id(ctx: Context, wanted: str | None) -> str:
    """The id that is asked for, or a random one; of an account that nobody has used."""
    if wanted is not None:
        if wanted == INTERNAL_ACCOUNT:
            raise InvalidParameterException(f"The account {wanted} is Roadstead's own.")
        if await _is_used(ctx, wanted):
            raise AccountAlreadyExistsException(f"There is an account {wanted} already.")
        return wanted
    while True:
        account = f"{secrets.randbelow(9 * 10**11) + 10**11}"
        if account != INTERNAL_ACCOUNT and not await _is_used(ctx, account):
            return account


async def _is_used(ctx: Context, account: str) -> bool:
    users_there = select(users.c.user_name).where(users.c.account == account).limit(1)
    return await find_account(ctx.tx, account) is not None or (await ctx.tx.execute(users_there)).first() is not None
