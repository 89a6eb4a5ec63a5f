"""Account settings of a registry: PutAccountSetting, GetAccountSetting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from roadstead.access.resource import KeyValues
from roadstead.services.ecr.errors import InvalidParameterException
from roadstead.services.ecr.registries import VALUES, Setting, read_registry, write_registry
from roadstead.services.ecr.registry_events import emit_registry
from roadstead.services.ecr.requests import Response, registry_resource
from roadstead.services.operation import Context, operation

if TYPE_CHECKING:
    from types_boto3_ecr.type_defs import GetAccountSettingRequestTypeDef, PutAccountSettingRequestTypeDef


async def _setting_key(ctx: Context, request: Mapping[str, object]) -> KeyValues:
    del ctx
    return {"ecr:AccountSetting": str(request["name"])}


@operation("ecr:GetAccountSetting", resources=registry_resource, keys=_setting_key, reads=True)
async def get_account_setting(ctx: Context, request: GetAccountSettingRequestTypeDef) -> Response:
    """The value of a setting (API reference: GetAccountSetting)."""
    setting = _setting(request["name"])
    registry = await read_registry(ctx.tx, ctx.account, ctx.region)
    return {"name": setting.value, "value": registry.setting(setting)}


@operation("ecr:PutAccountSetting", resources=registry_resource, keys=_setting_key)
async def put_account_setting(ctx: Context, request: PutAccountSettingRequestTypeDef) -> Response:
    """Give a setting a value (API reference: PutAccountSetting)."""
    setting, value = _setting(request["name"]), request["value"]
    if value not in VALUES[setting]:
        raise InvalidParameterException.at(
            "value", f"Member must satisfy enum value set: [{', '.join(VALUES[setting])}]"
        )
    registry = await read_registry(ctx.tx, ctx.account, ctx.region)
    settings = {**registry.settings, setting.value: value}
    await write_registry(ctx.tx, ctx.account, ctx.region, settings=settings)
    emit_registry(ctx.tx, ctx.account, ctx.region, "setting", name=setting.value, value=value)
    return {"name": setting.value, "value": value}


def _setting(name: str) -> Setting:
    try:
        return Setting(name)
    except ValueError as error:
        raise InvalidParameterException.at(
            "name", f"Member must satisfy enum value set: [{', '.join(Setting)}]"
        ) from error
