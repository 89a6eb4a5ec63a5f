"""A principal as sealed tokens carry it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.session_limits import SessionLimits, pack, unpack
from roadstead.kernel.arn import Arn


class PrincipalRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of a principal; times are seconds since the epoch, `limits` is packed."""

    kind: str
    account: str
    arn: str
    identity_arn: str
    user_id: str
    access_key_id: str
    identity_id: str = ""
    limits: bytes = b""
    transitive: tuple[str, ...] = ()
    source_identity: str | None = None
    provider: str | None = None
    provider_keys: dict[str, str | tuple[str, ...]] = {}
    issued: float | None = None
    expires: float | None = None
    mfa: float | None = None

    @classmethod
    def of(cls, principal: Principal) -> PrincipalRecord:
        """The record of a principal."""
        limits = SessionLimits(principal.session_policies, principal.session_policy_arns, principal.session_tags)
        return cls(
            kind=principal.kind.value,
            account=principal.account,
            arn=str(principal.arn),
            identity_arn=str(principal.identity_arn),
            user_id=principal.user_id,
            access_key_id=principal.access_key_id,
            identity_id=principal.identity_id,
            limits=pack(limits),
            transitive=principal.transitive_tag_keys,
            source_identity=principal.source_identity,
            provider=principal.federated_provider,
            provider_keys=dict(principal.provider_keys),
            issued=_seconds(principal.issued_at),
            expires=_seconds(principal.expires_at),
            mfa=_seconds(principal.mfa_at),
        )

    def principal(self) -> Principal:
        """The principal of the record."""
        limits = unpack(self.limits)
        return Principal(
            kind=PrincipalKind(self.kind),
            account=self.account,
            arn=Arn.parse(self.arn),
            identity_arn=Arn.parse(self.identity_arn),
            user_id=self.user_id,
            access_key_id=self.access_key_id,
            identity_id=self.identity_id,
            session_policies=limits.policies,
            session_policy_arns=limits.policy_arns,
            session_tags=limits.tags,
            transitive_tag_keys=self.transitive,
            source_identity=self.source_identity,
            federated_provider=self.provider,
            provider_keys=self.provider_keys,
            issued_at=_moment(self.issued),
            expires_at=_moment(self.expires),
            mfa_at=_moment(self.mfa),
        )


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
