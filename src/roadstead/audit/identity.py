"""Who did it, as CloudTrail's `userIdentity`.

Source: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from roadstead.access.principal import Principal, PrincipalKind

_REMEMBERED = 4096
_UNKNOWN = msgspec.Raw(b'{"type":"Unknown","principalId":"","accountId":"ANONYMOUS_PRINCIPAL"}')


class _Issuer(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    principal_id: str
    arn: str
    account_id: str
    user_name: str


class _Attributes(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    mfa_authenticated: str
    creation_date: str = ""


class _WebIdentity(msgspec.Struct, frozen=True, rename="camel"):
    federated_provider: str
    attributes: dict[str, str] = {}


class _SessionContext(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    session_issuer: _Issuer | None
    attributes: _Attributes
    web_id_federation_data: _WebIdentity | None = None
    source_identity: str = ""


class _Identity(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    type: str
    principal_id: str
    arn: str
    account_id: str
    access_key_id: str = ""
    user_name: str = ""
    session_context: _SessionContext | None = None
    identity_provider: str = ""


class UserIdentities:
    """The JSON of identities, made once for each key: it is the larger half of most events."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], msgspec.Raw] = {}

    def of(self, principal: Principal, arn: str) -> msgspec.Raw:
        """The identity of a principal; `arn` is its ARN as text."""
        key = (principal.access_key_id, arn, principal.user_id)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = msgspec.Raw(msgspec.json.encode(_identity(principal, arn)))
        return known

    def unknown(self, access_key_id: str = "") -> msgspec.Raw:
        """Somebody whose signature did not hold; the key is the one that was claimed."""
        if not access_key_id:
            return _UNKNOWN
        claimed = {"type": "Unknown", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
        return msgspec.Raw(msgspec.json.encode({**claimed, "accessKeyId": access_key_id[:128]}))


SERVICE = msgspec.Raw(b'{"type":"AWSService","invokedBy":"roadstead.amazonaws.com"}')
"""The deployment itself."""


_TYPES = {
    PrincipalKind.ROOT: "Root",
    PrincipalKind.USER: "IAMUser",
    PrincipalKind.ASSUMED_ROLE: "AssumedRole",
    PrincipalKind.FEDERATED_USER: "FederatedUser",
    PrincipalKind.WEB_IDENTITY: "WebIdentityUser",
}


def _identity(principal: Principal, arn: str) -> _Identity:
    name = ""
    if principal.kind is PrincipalKind.USER:
        name = principal.arn.resource.rsplit("/", 1)[-1]
    elif principal.kind is PrincipalKind.FEDERATED_USER:
        name = principal.arn.resource.partition("/")[2]
    return _Identity(
        type=_TYPES[principal.kind],
        principal_id=principal.user_id,
        arn=arn,
        account_id=principal.account,
        access_key_id=principal.access_key_id,
        user_name=name,
        session_context=_session(principal),
        identity_provider=(principal.federated_provider or "") if principal.kind is PrincipalKind.WEB_IDENTITY else "",
    )


def _session(principal: Principal) -> _SessionContext | None:
    """The context of temporary credentials."""
    if not principal.access_key_id.startswith("ASIA"):
        return None
    provider = principal.federated_provider
    return _SessionContext(
        session_issuer=_issuer(principal),
        attributes=_Attributes("true" if principal.mfa_at is not None else "false", _moment(principal.issued_at)),
        web_id_federation_data=_WebIdentity(provider) if provider is not None else None,
        source_identity=principal.source_identity or "",
    )


def _issuer(principal: Principal) -> _Issuer | None:
    """Whose session it is: the role, or the user behind a federated user."""
    kind = {PrincipalKind.ASSUMED_ROLE: "Role", PrincipalKind.FEDERATED_USER: "IAMUser"}.get(principal.kind)
    if kind is None:
        return None
    of = principal.identity_arn
    return _Issuer(kind, principal.unique_id, str(of), of.account, of.resource.rsplit("/", 1)[-1])


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else ""
