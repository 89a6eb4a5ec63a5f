"""What a signature is scoped to, held against what the request is for."""

from __future__ import annotations

from roadstead.access.errors import AuthenticationError, AuthenticationFailure
from roadstead.access.gatekeeper import Caller
from roadstead.kernel.regions import is_region

_GLOBAL = "global"
"""What some clients sign requests of services without regions for."""


def check_scope(caller: Caller, signing_name: str) -> None:
    """Return when the caller signed for a region and for the service of this name; raises AuthenticationError."""
    region = caller.region
    if not is_region(region) and region != _GLOBAL:
        text = f"Credential should be scoped to a valid region, not '{region}'. "
        if signing_name == "s3":
            text = f"The authorization header is malformed; the region '{region}' is wrong."
        raise AuthenticationError(AuthenticationFailure.BAD_SCOPE, text)
    if caller.service != signing_name:
        text = f"Credential should be scoped to correct service: '{signing_name}'. "
        raise AuthenticationError(AuthenticationFailure.BAD_SCOPE, text)
