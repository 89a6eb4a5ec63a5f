"""PutServiceControlPolicy, DeleteServiceControlPolicy: what limits all of an account.

As on AWS (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html): an account is born with FullAWSAccess;
one of its policies must allow what its principals do, none may deny it; the managing account can't be limited.
"""

from __future__ import annotations

from typing import TypedDict

from sqlalchemy import delete, insert, update

from roadstead.access.held import service_control_texts
from roadstead.access.revisions import touch_account
from roadstead.access.tables import service_control_policies
from roadstead.core.policy.document import MalformedPolicy, PolicyShape, parse_policy
from roadstead.services.accounts.errors import (
    ConstraintViolationException,
    InvalidParameterException,
    MalformedPolicyDocumentException,
    PolicyNotAttachedException,
)
from roadstead.services.accounts.records import named_account, require_account, require_managing
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

FULL_ACCESS = (
    "FullAWSAccess",
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
)
"""The name and the document of the policy that allows everything."""
MAX_POLICIES = 5
MAX_CHARACTERS = 10_240


class PutServiceControlPolicyRequest(TypedDict):
    """As the model."""

    accountId: str
    policyName: str
    policyDocument: str


class DeleteServiceControlPolicyRequest(TypedDict):
    """As the model."""

    accountId: str
    policyName: str


@operation("roadstead:PutServiceControlPolicy", resources=named_account)
async def put_service_control_policy(ctx: Context, request: PutServiceControlPolicyRequest) -> dict[str, object]:
    """Add a policy to an account, or replace the one of this name; it holds from the next request on."""
    account, name, document = request["accountId"], request["policyName"], request["policyDocument"]
    await _require_member(ctx, account)
    _check(document)
    known = {policy.source.name for policy in await service_control_texts(ctx.tx, account)}
    if name not in known and len(known) >= MAX_POLICIES:
        raise ConstraintViolationException(f"You have attached the maximum number of policies ({MAX_POLICIES}).")
    if name == FULL_ACCESS[0] and document != FULL_ACCESS[1]:
        raise InvalidParameterException(
            f"{name} allows everything and can't be changed; remove it, or add another one."
        )
    await put_policy(ctx.tx, account, name, document)
    return {}


@operation("roadstead:DeleteServiceControlPolicy", resources=named_account)
async def delete_service_control_policy(ctx: Context, request: DeleteServiceControlPolicyRequest) -> dict[str, object]:
    """Take a policy away from an account, which keeps at least one."""
    account, name = request["accountId"], request["policyName"]
    await _require_member(ctx, account)
    known = {policy.source.name for policy in await service_control_texts(ctx.tx, account)}
    if name not in known:
        raise PolicyNotAttachedException(f"The account {account} has no service control policy {name}.")
    if len(known) == 1:
        raise ConstraintViolationException(
            f"You cannot remove the last policy of {account}: an account has one at least, {FULL_ACCESS[0]} for no limit."
        )
    columns = service_control_policies.c
    await ctx.tx.execute(
        delete(service_control_policies).where(columns.account == account, columns.policy_name == name)
    )
    await touch_account(ctx.tx, account)
    return {}


async def put_policy(tx: Transaction, account: str, name: str, document: str) -> None:
    """Write a policy's row."""
    columns = service_control_policies.c
    stmt = update(service_control_policies).where(columns.account == account, columns.policy_name == name)
    if (await tx.execute(stmt.values(document=document))).rowcount == 0:
        row = {"account": account, "policy_name": name, "document": document}
        await tx.execute(insert(service_control_policies).values(row))
    await touch_account(tx, account)


async def _require_member(ctx: Context, account: str) -> None:
    require_managing(ctx)
    await require_account(ctx, account)
    if account == ctx.deployment.account:
        raise ConstraintViolationException("Service control policies don't limit the managing account.")


def _check(document: str) -> None:
    if len(document) > MAX_CHARACTERS:
        raise ConstraintViolationException(f"A service control policy has at most {MAX_CHARACTERS} characters.")
    try:
        parse_policy(document, shape=PolicyShape.IDENTITY)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from error
