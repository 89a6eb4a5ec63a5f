"""Passwords of users: CreateLoginProfile, GetLoginProfile, UpdateLoginProfile, DeleteLoginProfile, ChangePassword.

The operations that hash a password only read in the request's transaction; what they write comes in one of its own, once the hash is
there, because a transaction waits for nothing but the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, insert, select, update

from roadstead.access.principal import PrincipalKind
from roadstead.access.resource import Named
from roadstead.services.iam.entities import USER, find_entity
from roadstead.services.iam.errors import (
    AccessDenied,
    EntityAlreadyExistsException,
    InvalidInputException,
    InvalidUserTypeException,
    NoSuchEntityException,
    PasswordPolicyViolationException,
)
from roadstead.services.iam.password_policy import check_password, read_password_policy
from roadstead.services.iam.passwords import KEPT, Passwords, new_salt, same, used_before
from roadstead.services.iam.tables import login_profiles
from roadstead.services.iam.users import caller_or, require_user, user_resources
from roadstead.services.operation import Afterwards, Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        ChangePasswordRequestTypeDef,
        CreateLoginProfileRequestTypeDef,
        DeleteLoginProfileRequestTypeDef,
        GetLoginProfileRequestTypeDef,
        UpdateLoginProfileRequestTypeDef,
    )


async def _caller(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    del request
    return await user_resources(ctx, {})


def _of(account: str, name: str) -> list[Any]:
    return [login_profiles.c.account == account, login_profiles.c.user_name == name]


async def _find(tx: Transaction, account: str, name: str) -> Any | None:
    return (await tx.execute(select(login_profiles).where(*_of(account, name)))).one_or_none()


async def _require(tx: Transaction, account: str, name: str) -> Any:
    row = await _find(tx, account, name)
    if row is None:
        raise NoSuchEntityException(f"Login Profile for User {name} cannot be found.")
    return row


def _view(row: Any) -> dict[str, object]:
    return {
        "UserName": row.user_name,
        "CreateDate": row.created_at,
        "PasswordResetRequired": row.reset_required,
    }


@operation("iam:CreateLoginProfile", resources=user_resources, reads=True)
async def create_login_profile(ctx: Context, request: CreateLoginProfileRequestTypeDef) -> Afterwards:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateLoginProfile.html."""
    name = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, name)
    if "Password" not in request:
        raise InvalidInputException("A login profile needs a password.")
    exists = EntityAlreadyExistsException(f"Login Profile for user {name} already exists.")
    if await _find(ctx.tx, ctx.account, name) is not None:
        raise exists
    check_password(await read_password_policy(ctx.tx, ctx.account), request["Password"])
    passwords, salt, now = ctx.component(Passwords), new_salt(), ctx.clock.now()

    async def write(tx: Transaction, hashed: bytes) -> Any:
        if await find_entity(tx, ctx.account, USER, name) is None:
            raise NoSuchEntityException(f"The user with name {name} cannot be found.")
        if await _find(tx, ctx.account, name) is not None:
            raise exists
        await tx.execute(
            insert(login_profiles).values(
                account=ctx.account,
                user_name=name,
                salt=salt,
                password=hashed,
                reset_required=bool(request.get("PasswordResetRequired", False)),
                previous=[],
                changed_at=now,
                created_at=now,
            )
        )
        return await _require(tx, ctx.account, name)

    async def work() -> dict[str, object]:
        hashed = await passwords.hashed(request["Password"], salt)
        return {"LoginProfile": _view(await passwords.store.run(partial(write, hashed=hashed)))}

    return Afterwards(work)


@operation("iam:GetLoginProfile", resources=user_resources, reads=True)
async def get_login_profile(ctx: Context, request: GetLoginProfileRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetLoginProfile.html."""
    name = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, name)
    return {"LoginProfile": _view(await _require(ctx.tx, ctx.account, name))}


@operation("iam:UpdateLoginProfile", resources=user_resources, reads=True)
async def update_login_profile(ctx: Context, request: UpdateLoginProfileRequestTypeDef) -> Afterwards:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateLoginProfile.html."""
    name = request["UserName"]
    await require_user(ctx, name)
    row = await _require(ctx.tx, ctx.account, name)
    policy = await read_password_policy(ctx.tx, ctx.account)

    async def work() -> dict[str, object]:
        values: dict[str, object] = {}
        if "Password" in request:
            values = await _new_password(ctx, policy, row, request["Password"])
        if "PasswordResetRequired" in request:
            values["reset_required"] = request["PasswordResetRequired"]
        await _replace(ctx, row, values)
        return {}

    return Afterwards(work)


@operation("iam:ChangePassword", resources=_caller, reads=True)
async def change_password(ctx: Context, request: ChangePasswordRequestTypeDef) -> Afterwards:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ChangePassword.html: by the user itself."""
    if ctx.principal.kind is not PrincipalKind.USER:
        raise InvalidUserTypeException("Only IAM Users can change their own password")
    row = await _require(ctx.tx, ctx.account, await caller_or(ctx, None))
    policy = await read_password_policy(ctx.tx, ctx.account)

    async def work() -> dict[str, object]:
        old = await ctx.component(Passwords).hashed(request["OldPassword"], bytes(row.salt))
        if not same(old, bytes(row.password)):
            raise AccessDenied("The old password was incorrect.")
        values = await _new_password(ctx, policy, row, request["NewPassword"])
        await _replace(ctx, row, {**values, "reset_required": False})
        return {}

    return Afterwards(work)


async def _new_password(ctx: Context, policy: Mapping[str, Any] | None, row: Any, password: str) -> dict[str, object]:
    """What a row has after the change; raises PasswordPolicyViolation."""
    check_password(policy, password)
    hashed = await ctx.component(Passwords).hashed(password, bytes(row.salt))
    previous = cast("list[str]", row.previous)
    within = int((policy or {}).get("PasswordReusePrevention", 0))
    if used_before(hashed, bytes(row.password), previous, within):
        raise PasswordPolicyViolationException("Password has been used too recently")
    return {
        "password": hashed,
        "previous": [bytes(row.password).hex(), *previous][:KEPT],
        "changed_at": ctx.clock.now(),
    }


async def _replace(ctx: Context, row: Any, values: Mapping[str, object]) -> None:
    """Write the new values unless the password was changed since `row` was read: then the user's profile is another one now."""

    async def write(tx: Transaction) -> None:
        now = await _require(tx, ctx.account, row.user_name)
        if bytes(now.password) != bytes(row.password):
            raise NoSuchEntityException(f"Login Profile for User {row.user_name} was changed at the same time.")
        if values:
            await tx.execute(update(login_profiles).where(*_of(ctx.account, row.user_name)).values(**values))

    await ctx.component(Passwords).store.run(write)


@operation("iam:DeleteLoginProfile", resources=user_resources)
async def delete_login_profile(ctx: Context, request: DeleteLoginProfileRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteLoginProfile.html."""
    name = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, name)
    await _require(ctx.tx, ctx.account, name)
    await ctx.tx.execute(delete(login_profiles).where(*_of(ctx.account, name)))
    return {}
