"""Virtual MFA devices: Create, List and Delete, and what a request names by a serial number.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_enable_virtual.html
"""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import segno
from sqlalchemy import delete, insert, select

from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.resource import Named, Resource
from roadstead.access.tables import users
from roadstead.kernel.arn import Arn, InvalidArn
from roadstead.services.iam.entities import entity_arn, name_of, name_taken
from roadstead.services.iam.errors import (
    DeleteConflictException,
    EntityAlreadyExistsException,
    InvalidInputException,
    NoSuchEntityException,
)
from roadstead.services.iam.listing import page_of
from roadstead.services.iam.tables import mfa_devices
from roadstead.services.iam.tag_rows import add_tags, drop_tags, read_tags, request_tag_keys, tag_keys_of, tag_list
from roadstead.services.iam.totp import SEED_BYTES
from roadstead.services.iam.users import user_view
from roadstead.services.operation import Context, operation
from roadstead.store import Transaction

if TYPE_CHECKING:
    from types_boto3_iam.type_defs import (
        CreateVirtualMFADeviceRequestTypeDef,
        DeleteVirtualMFADeviceRequestTypeDef,
        ListVirtualMFADevicesRequestTypeDef,
    )

_KIND = "mfa"
_LONGEST_SERIAL = 256
"""Characters of a serial number (the model's `serialNumberType`); no operation takes a longer one."""
_ISSUER = "Amazon Web Services"
_PIXELS = 4
"""Pixels a side of each of the QR code's squares."""


async def device_resources(ctx: Context, request: Mapping[str, Any]) -> Sequence[Named]:
    """The MFA device that a request names by its serial number, with its tags."""
    row = await find_device(ctx.tx, ctx.account, request["SerialNumber"])
    if row is None:
        return [request["SerialNumber"]]
    return [Resource(serial_number(ctx.account, row), tags=tag_keys_of(ctx, _KIND, row.device_name))]


async def _created(ctx: Context, request: CreateVirtualMFADeviceRequestTypeDef) -> Sequence[Named]:
    return [entity_arn(ctx.account, _KIND, request.get("Path", "/"), request["VirtualMFADeviceName"])]


def serial_number(account: str, row: Any) -> Arn:
    """A virtual device's serial number is its ARN."""
    return entity_arn(account, _KIND, row.path, row.device_name)


async def find_device(tx: Transaction, account: str, serial: str) -> Any | None:
    """The row of a device of this account."""
    try:
        arn = Arn.parse(serial)
    except InvalidArn:
        return None
    kind, path, name = name_of(arn)
    if (kind, arn.account) != (_KIND, account):
        return None
    columns = mfa_devices.c
    stmt = select(mfa_devices).where(columns.account == account, columns.device_name == name, columns.path == path)
    return (await tx.execute(stmt)).one_or_none()


async def require_device(ctx: Context, serial: str) -> Any:
    """The device's row; raises NoSuchEntity."""
    row = await find_device(ctx.tx, ctx.account, serial)
    if row is None:
        raise NoSuchEntityException(f"VirtualMFADevice with serial number {serial} does not exist.")
    return row


def seed_context(account: str, device_name: str) -> str:
    """What binds an encrypted seed to its device."""
    return f"mfa:{account}:{device_name}"


@operation("iam:CreateVirtualMFADevice", resources=_created, keys=request_tag_keys)
async def create_virtual_mfa_device(ctx: Context, request: CreateVirtualMFADeviceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateVirtualMFADevice.html: the only time that the seed is shown."""
    name, path = request["VirtualMFADeviceName"], request.get("Path", "/")
    if len(str(entity_arn(ctx.account, _KIND, path, name))) > _LONGEST_SERIAL:
        raise InvalidInputException(f"The device's serial number would have more than {_LONGEST_SERIAL} characters.")
    if await name_taken(ctx.tx, ctx.account, mfa_devices, mfa_devices.c.device_name, name) is not None:
        raise EntityAlreadyExistsException("MFADevice entity at the same path and name already exists.")
    seed = secrets.token_bytes(SEED_BYTES)
    master = ctx.component(Gatekeeper).master
    await ctx.tx.execute(
        insert(mfa_devices).values(
            account=ctx.account,
            device_name=name,
            path=path,
            seed=master.encrypt(seed, seed_context(ctx.account, name)),
            last_step=0,
            drift=0,
            created_at=ctx.clock.now(),
        )
    )
    await add_tags(ctx, _KIND, name, request.get("Tags"))
    tags = await read_tags(ctx.tx, ctx.account, _KIND, name)
    text = base64.b32encode(seed)
    return {
        "VirtualMFADevice": {
            "SerialNumber": str(entity_arn(ctx.account, _KIND, path, name)),
            "Base32StringSeed": text,
            "QRCodePNG": _qr_code(text.decode(), f"{name}@{ctx.account}"),
            **({"Tags": tag_list(tags)} if tags else {}),
        }
    }


def _qr_code(seed: str, owner: str) -> bytes:
    """A PNG of the URI that authenticator apps read (https://github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
    label = quote(f"{_ISSUER}:{owner}", safe=":@")
    code = segno.make(f"otpauth://totp/{label}?secret={seed}&issuer={quote(_ISSUER)}", micro=False)
    image = io.BytesIO()
    code.save(image, kind="png", scale=_PIXELS)
    return image.getvalue()


@operation("iam:ListVirtualMFADevices", reads=True)
async def list_virtual_mfa_devices(ctx: Context, request: ListVirtualMFADevicesRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListVirtualMFADevices.html: without seeds and tags."""
    columns = mfa_devices.c
    stmt = select(mfa_devices).where(columns.account == ctx.account)
    match request.get("AssignmentStatus", "Any"):
        case "Assigned":
            stmt = stmt.where(columns.user_name.is_not(None))
        case "Unassigned":
            stmt = stmt.where(columns.user_name.is_(None))
        case _:
            pass
    rows = (await ctx.tx.execute(stmt)).all()
    page, more = page_of(rows, lambda row: str(row.device_name), request)
    owners = [row.user_name for row in page if row.user_name is not None]
    found = (
        await ctx.tx.execute(select(users).where(users.c.account == ctx.account, users.c.user_name.in_(owners)))
    ).all()
    views = {str(user.user_name): user_view(ctx.account, user) for user in found}
    return {"VirtualMFADevices": [_listed(ctx.account, row, views) for row in page], **more}


def _listed(account: str, row: Any, owners: Mapping[str, dict[str, object]]) -> dict[str, object]:
    view: dict[str, object] = {"SerialNumber": str(serial_number(account, row))}
    return view if row.user_name is None else {**view, "User": owners[row.user_name], "EnableDate": row.enabled_at}


@operation("iam:DeleteVirtualMFADevice", resources=device_resources)
async def delete_virtual_mfa_device(ctx: Context, request: DeleteVirtualMFADeviceRequestTypeDef) -> dict[str, object]:
    """https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteVirtualMFADevice.html."""
    row = await require_device(ctx, request["SerialNumber"])
    if row.user_name is not None:
        raise DeleteConflictException("MFA VirtualDevice in use. Must deactivate first.")
    columns = mfa_devices.c
    await ctx.tx.execute(
        delete(mfa_devices).where(columns.account == ctx.account, columns.device_name == row.device_name)
    )
    await drop_tags(ctx.tx, ctx.account, _KIND, row.device_name)
    return {}
