"""An MFA code that is shown with a request: used up before the request is decided, whatever comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from roadstead.access.principal import PrincipalKind
from roadstead.services.iam.api import MfaCodes
from roadstead.services.operation import Outside
from roadstead.services.sts.errors import AccessDenied

_UNKNOWN = (
    "MultiFactorAuthentication failed, unable to validate MFA code."
    "  Please verify your MFA serial number is valid and associated with this user."
)
_WRONG = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
_INCOMPLETE = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."


async def mfa_shown(outside: Outside, request: Mapping[str, Any]) -> datetime | None:
    """When the caller showed a code of its device: now, or None without a code. Raises AccessDenied for one that does not hold."""
    serial, code = request.get("SerialNumber"), request.get("TokenCode")
    if serial is None and code is None:
        return None
    if serial is None or code is None:
        raise AccessDenied(_INCOMPLETE)
    caller = await outside.caller()
    if caller.kind is not PrincipalKind.USER:
        raise AccessDenied(_UNKNOWN)
    codes = outside.component(MfaCodes)
    user = caller.identity_arn.resource.rsplit("/", 1)[-1]
    if not await codes.belongs(caller.account, user, serial):
        raise AccessDenied(_UNKNOWN)
    if not await codes.use(caller.account, user, serial, code):
        raise AccessDenied(_WRONG)
    return outside.clock.now()
