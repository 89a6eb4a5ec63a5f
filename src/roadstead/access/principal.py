"""Who signed a request."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    `arn` is the caller's ARN as GetCallerIdentity prints it; `identity_arn` is the IAM entity whose policies apply (the role of a
    session, the user itself); `user_id` is `AIDA…`, or `AROA…:session` for a session.
    """

    kind: PrincipalKind
    account: str
    arn: Arn
    identity_arn: Arn
    user_id: str
    access_key_id: str
    session_policies: tuple[str, ...] = ()
    session_tags: dict[str, str] = field(default_factory=dict[str, str])
    issued_at: datetime | None = None
    expires_at: datetime | None = None
