"""Who signed a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from roadstead.kernel.arn import Arn


class PrincipalKind(StrEnum):
    """The kinds of principal that can sign."""

    ROOT = "Root"
    USER = "User"
    ASSUMED_ROLE = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    WEB_IDENTITY = "WebIdentityUser"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    `arn` is the caller's ARN as GetCallerIdentity prints it; `identity_arn` is the IAM entity whose policies apply (the role of a
    session, the user itself, the user behind a federated user); `user_id` is `AIDA…`, `AROA…:session` for a session of a role and
    `ACCOUNT:name` for a federated user. A web identity that asks for a role has no account yet; both its ARNs are its provider's.
    """

    kind: PrincipalKind
    account: str
    arn: Arn
    identity_arn: Arn
    user_id: str
    access_key_id: str
    identity_id: str = ""
    """The unique id of the identity, where `user_id` does not begin with it."""
    session_policies: tuple[str, ...] = ()
    session_policy_arns: tuple[str, ...] = ()
    """Managed policies that limit the session as they are now, not as they were when it began."""
    session_tags: dict[str, str] = field(default_factory=dict[str, str])
    transitive_tag_keys: tuple[str, ...] = ()
    """Those of the session's tags that the sessions opened with it inherit."""
    source_identity: str | None = None
    federated_provider: str | None = None
    """The identity provider that vouched for a session."""
    provider_keys: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict[str, "str | tuple[str, ...]"])
    """The condition keys of the provider's token that stay with the session (`idp.example.com:sub`)."""
    issued_at: datetime | None = None
    """When the session began; None for a long-term key."""
    expires_at: datetime | None = None
    mfa_at: datetime | None = None
    """When the user of a session showed an MFA code."""

    @property
    def unique_id(self) -> str:
        """The unique id of the user or role whose policies apply: another one of the same name is somebody else."""
        return self.identity_id or self.user_id.partition(":")[0]
