"""MFA devices in the hands of users: Enable, Resync, Deactivate, Get and List, and the check of a code for STS."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.master_key import MasterKey
from roadstead.services.iam.errors import (
    EntityAlreadyExistsException,
    InvalidAuthenticationCodeException,
    NoSuchEntityException,
)
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.mfa_devices import find_device, require_device, seed_context, serial_number
from roadstead.services.iam.quotas import check_quota
from roadstead.services.iam.tables import mfa_devices
from roadstead.services.iam.totp import step_at, step_of_code, step_of_codes
from roadstead.services.iam.users import caller_or, require_user, user_resources
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        DeactivateMFADeviceRequestTypeDef,
        EnableMFADeviceRequestTypeDef,
        GetMFADeviceRequestTypeDef,
        ListMFADevicesRequestTypeDef,
        ResyncMFADeviceRequestTypeDef,
    )

_REACH_ENABLING = 20
"""Steps that a device's clock may be off when it is enabled: ten minutes."""
_REACH_RESYNC = 2880
"""Steps that a device's clock may be off when it is brought back into step: a day."""
_REACH_USING = 1
"""Steps that a code may be early or late when it is used."""


async def _update(tx: Transaction, account: str, device_name: str, **values: object) -> None:
    columns = mfa_devices.c
    stmt = update(mfa_devices).where(columns.account == account, columns.device_name == device_name)
    await tx.execute(stmt.values(**values))


async def _require_of_user(ctx: Context, serial: str, user: str) -> Any:
    row = await require_device(ctx, serial)
    if row.user_name != user:
        raise NoSuchEntityException("MFA Device invalid for user.")
    return row


def _in_step(ctx: Context, row: Any, first: str, second: str, reach: int) -> dict[str, object]:
    """What to keep of a device that shows these two codes one after the other; raises InvalidAuthenticationCode."""
    seed = ctx.component(Gatekeeper).master.decrypt(bytes(row.seed), seed_context(ctx.account, row.device_name))
    now = step_at(ctx.clock.now())
    step = step_of_codes(seed, first, second, now, reach)
    if step is None or step <= row.last_step:
        raise InvalidAuthenticationCodeException("Authentication code for device is not valid.")
    return {"last_step": step, "drift": step - now}


@operation("iam:EnableMFADevice", resources=user_resources)
async def enable_mfa_device(ctx: Context, request: EnableMFADeviceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_EnableMFADevice.html: two codes in a row prove the device."""
    user, serial = request["UserName"], request["SerialNumber"]
    await require_user(ctx, user)
    row = await require_device(ctx, serial)
    if row.user_name is not None:
        raise EntityAlreadyExistsException("MFA Device is already in use.")
    columns = mfa_devices.c
    stmt = select(func.count()).where(columns.account == ctx.account, columns.user_name == user)
    check_quota(ctx, "MFADevicesPerUser", int((await ctx.tx.execute(stmt)).scalar() or 0))
    kept = _in_step(ctx, row, request["AuthenticationCode1"], request["AuthenticationCode2"], _REACH_ENABLING)
    await _update(ctx.tx, ctx.account, row.device_name, user_name=user, enabled_at=ctx.clock.now(), **kept)
    return {}


@operation("iam:ResyncMFADevice", resources=user_resources)
async def resync_mfa_device(ctx: Context, request: ResyncMFADeviceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ResyncMFADevice.html: for a device whose clock went astray."""
    user = request["UserName"]
    await require_user(ctx, user)
    row = await _require_of_user(ctx, request["SerialNumber"], user)
    kept = _in_step(ctx, row, request["AuthenticationCode1"], request["AuthenticationCode2"], _REACH_RESYNC)
    await _update(ctx.tx, ctx.account, row.device_name, **kept)
    return {}


@operation("iam:DeactivateMFADevice", resources=user_resources)
async def deactivate_mfa_device(ctx: Context, request: DeactivateMFADeviceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeactivateMFADevice.html."""
    user = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, user)
    row = await _require_of_user(ctx, request["SerialNumber"], user)
    await _update(ctx.tx, ctx.account, row.device_name, user_name=None, enabled_at=None)
    return {}


@operation("iam:GetMFADevice", resources=user_resources, reads=True)
async def get_mfa_device(ctx: Context, request: GetMFADeviceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetMFADevice.html."""
    user = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, user)
    return _view(ctx.account, await _require_of_user(ctx, request["SerialNumber"], user))


@operation("iam:ListMFADevices", resources=user_resources, reads=True)
async def list_mfa_devices(ctx: Context, request: ListMFADevicesRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListMFADevices.html: those of one user."""
    user = await caller_or(ctx, request.get("UserName"))
    await require_user(ctx, user)
    columns = mfa_devices.c
    rows = (
        await ctx.tx.execute(select(mfa_devices).where(columns.account == ctx.account, columns.user_name == user))
    ).all()
    page, more = page_of(rows, lambda row: str(row.device_name), request)
    return {"MFADevices": [_view(ctx.account, row) for row in page], **more}


def _view(account: str, row: Any) -> dict[str, object]:
    return {
        "UserName": row.user_name,
        "SerialNumber": str(serial_number(account, row)),
        "EnableDate": row.enabled_at,
    }


async def use_mfa_code(
    tx: Transaction, *, master: MasterKey, account: str, user: str, serial: str, code: str, now: datetime
) -> bool:
    """Whether this enabled device of the user shows `code` now; a code that was used does not count again."""
    row = await find_device(tx, account, serial)
    if row is None or row.user_name != user:
        return False
    seed = master.decrypt(bytes(row.seed), seed_context(account, row.device_name))
    step = step_of_code(seed, code, step_at(now) + row.drift, _REACH_USING)
    if step is None or step <= row.last_step:
        return False
    await _update(tx, account, row.device_name, last_step=step)
    return True
