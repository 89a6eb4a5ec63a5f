"""The account's password policy: UpdateAccountPasswordPolicy, GetAccountPasswordPolicy, DeleteAccountPasswordPolicy, and what it asks.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, insert, select

from roadstead.services.iam.errors import NoSuchEntityException, PasswordPolicyViolationException
from roadstead.services.iam.tables import password_policies
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import UpdateAccountPasswordPolicyRequestTypeDef

SYMBOLS = "!@#$%^&*()_+-=[]{}|'"
_DEFAULT_LENGTH = 6
_LENGTH_WITHOUT_POLICY = 8
_KINDS_WITHOUT_POLICY = 3
_KINDS = (
    ("RequireSymbols", SYMBOLS, "symbol"),
    ("RequireNumbers", string.digits, "number"),
    ("RequireUppercaseCharacters", string.ascii_uppercase, "uppercase letter"),
    ("RequireLowercaseCharacters", string.ascii_lowercase, "lowercase letter"),
)
_OPTIONAL = frozenset({"MaxPasswordAge", "PasswordReusePrevention", "HardExpiry"})
_SWITCHES = (*(member for member, _, _ in _KINDS), "AllowUsersToChangePassword")


async def read_password_policy(tx: Transaction, account: str) -> Mapping[str, Any] | None:
    """The account's policy with the API's members; None where AWS's default holds."""
    stmt = select(password_policies.c.policy).where(password_policies.c.account == account)
    return cast("Mapping[str, Any] | None", (await tx.execute(stmt)).scalar())


def check_password(policy: Mapping[str, Any] | None, password: str) -> None:
    """Return when a password follows the policy, or AWS's default without one; raises PasswordPolicyViolation."""
    least = _LENGTH_WITHOUT_POLICY if policy is None else int(policy["MinimumPasswordLength"])
    if len(password) < least:
        raise PasswordPolicyViolationException(f"Password should have a minimum length of {least}")
    missing = [(member, name) for member, characters, name in _KINDS if not set(password) & set(characters)]
    if policy is None:
        if len(_KINDS) - len(missing) < _KINDS_WITHOUT_POLICY:
            raise PasswordPolicyViolationException(
                "Password should have at least three of these: uppercase letters, lowercase letters, numbers, symbols"
            )
        return
    for member, name in missing:
        if policy[member]:
            raise PasswordPolicyViolationException(f"Password should have at least one {name}")


@operation("iam:UpdateAccountPasswordPolicy")
async def update_account_password_policy(
    ctx: Context, request: UpdateAccountPasswordPolicyRequestTypeDef
) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html: what is left out gets its default."""
    policy: dict[str, object] = {
        "MinimumPasswordLength": request.get("MinimumPasswordLength", _DEFAULT_LENGTH),
        **{member: bool(request.get(member, False)) for member in _SWITCHES},
        "ExpirePasswords": bool(request.get("MaxPasswordAge")),
        **{member: value for member, value in request.items() if member in _OPTIONAL},
    }
    await ctx.tx.execute(delete(password_policies).where(password_policies.c.account == ctx.account))
    await ctx.tx.execute(insert(password_policies).values(account=ctx.account, policy=policy))
    return {}


@operation("iam:GetAccountPasswordPolicy", reads=True)
async def get_account_password_policy(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountPasswordPolicy.html."""
    del request
    policy = await read_password_policy(ctx.tx, ctx.account)
    if policy is None:
        raise _missing(ctx)
    return {"PasswordPolicy": policy}


@operation("iam:DeleteAccountPasswordPolicy")
async def delete_account_password_policy(ctx: Context, request: Mapping[str, object]) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteAccountPasswordPolicy.html."""
    del request
    stmt = delete(password_policies).where(password_policies.c.account == ctx.account)
    if (await ctx.tx.execute(stmt)).rowcount == 0:
        raise _missing(ctx)
    return {}


def _missing(ctx: Context) -> NoSuchEntityException:
    return NoSuchEntityException(f"The Password Policy with domain name {ctx.account} cannot be found.")
