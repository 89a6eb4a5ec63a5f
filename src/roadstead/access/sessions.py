"""Session credentials: temporary keys whose token carries all that a server needs to verify them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import msgspec

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.principal_record import PrincipalRecord
from roadstead.access.sealing import Sealer
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import access_key_id, secret_key

PURPOSE = "session"


class SessionPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a session token holds."""

    secret: str
    principal: PrincipalRecord
    padding: str = ""


class SessionCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """Temporary credentials as handed to a client; `expiration` is aware."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime


def issue_session(sealer: Sealer, principal: Principal, *, minimum_size: int = 0) -> SessionCredentials:
    """Credentials with which their holder is `principal`, from its `issued_at` to its `expires_at`, under a key of its own.

    Nothing is written anywhere. The token has at least `minimum_size` characters.
    """
    if principal.issued_at is None or principal.expires_at is None:
        raise ValueError("a session has a beginning and an end")
    holder = replace(principal, access_key_id=access_key_id("ASIA", principal.account))
    payload = SessionPayload(secret=secret_key(), principal=PrincipalRecord.of(holder))
    token = sealer.seal(PURPOSE, payload, principal.expires_at)
    if len(token) < minimum_size:
        padded = msgspec.structs.replace(payload, padding="." * (minimum_size - len(token)))
        token = sealer.seal(PURPOSE, padded, principal.expires_at)
    return SessionCredentials(
        access_key_id=holder.access_key_id,
        secret_access_key=payload.secret,
        session_token=token,
        expiration=principal.expires_at,
    )


def role_session(*, role: Arn, role_id: str, session_name: str, now: datetime, expires: datetime) -> Principal:
    """The principal that a session of a role is."""
    role_name = role.resource.rsplit("/", 1)[-1]
    arn = Arn(service="sts", region="", account=role.account, resource=f"assumed-role/{role_name}/{session_name}")
    return Principal(
        kind=PrincipalKind.ASSUMED_ROLE,
        account=role.account,
        arn=arn,
        identity_arn=role,
        user_id=f"{role_id}:{session_name}",
        access_key_id="",
        issued_at=now,
        expires_at=expires,
    )


def issue_role_session(
    sealer: Sealer, *, role: Arn, role_id: str, session_name: str, now: datetime, expires: datetime
) -> SessionCredentials:
    """Credentials of a role's session that nothing limits but the role itself."""
    principal = role_session(role=role, role_id=role_id, session_name=session_name, now=now, expires=expires)
    return issue_session(sealer, principal)


def open_session(sealer: Sealer, token: str, access_key_id: str) -> tuple[Principal, str] | None:
    """The principal and the secret of a session token, or None when the token belongs to another key.

    Raises InvalidSeal or ExpiredSeal.
    """
    payload = sealer.open(PURPOSE, token, SessionPayload)
    if payload.principal.access_key_id != access_key_id:
        return None
    return payload.principal.principal(), payload.secret
