"""Session credentials: temporary keys whose token carries all that a server needs to verify them."""

from __future__ import annotations

from datetime import datetime

import msgspec

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.sealing import Sealer
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import secret_key, unique_id

PURPOSE = "session"


class SessionPayload(msgspec.Struct, frozen=True, kw_only=True):
    """What a session token holds. Times are seconds since the epoch."""

    access_key_id: str
    secret: str
    kind: str
    arn: str
    identity_arn: str
    user_id: str
    issued: float
    policies: tuple[str, ...] = ()
    tags: dict[str, str] = {}


class SessionCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """Temporary credentials as handed to a client; `expiration` is aware."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime


def issue_role_session(
    sealer: Sealer, *, role: Arn, role_id: str, session_name: str, now: datetime, expires: datetime
) -> SessionCredentials:
    """Credentials of a role's session; nothing is written anywhere."""
    role_name = role.resource.rsplit("/", 1)[-1]
    arn = Arn(service="sts", region="", account=role.account, resource=f"assumed-role/{role_name}/{session_name}")
    payload = SessionPayload(
        access_key_id=unique_id("ASIA"),
        secret=secret_key(),
        kind=PrincipalKind.ASSUMED_ROLE,
        arn=str(arn),
        identity_arn=str(role),
        user_id=f"{role_id}:{session_name}",
        issued=now.timestamp(),
    )
    return SessionCredentials(
        access_key_id=payload.access_key_id,
        secret_access_key=payload.secret,
        session_token=sealer.seal(PURPOSE, payload, expires),
        expiration=expires,
    )


def open_session(sealer: Sealer, token: str, access_key_id: str) -> tuple[Principal, str] | None:
    """The principal and the secret of a session token, or None when the token belongs to another key.

    Raises InvalidSeal or ExpiredSeal.
    """
    payload = sealer.open(PURPOSE, token, SessionPayload)
    if payload.access_key_id != access_key_id:
        return None
    arn = Arn.parse(payload.arn)
    principal = Principal(
        kind=PrincipalKind(payload.kind),
        account=arn.account,
        arn=arn,
        identity_arn=Arn.parse(payload.identity_arn),
        user_id=payload.user_id,
        access_key_id=payload.access_key_id,
        session_policies=payload.policies,
        session_tags=payload.tags,
    )
    return principal, payload.secret
