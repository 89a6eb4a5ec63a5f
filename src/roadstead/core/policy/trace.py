"""Why a decision came out as it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from roadstead.core.policy.elements import Condition, Statement


class PolicyKind(StrEnum):
    """The roles that a policy plays in a decision."""

    IDENTITY = "identity-based"
    RESOURCE = "resource-based"
    TRUST = "role trust"
    BOUNDARY = "permissions boundary"
    SESSION = "session"
    SERVICE_CONTROL = "service control"


class Origin(StrEnum):
    """Where a policy is kept, by the names of the policy simulator (`PolicySourceType` of the IAM API)."""

    USER = "user"
    GROUP = "group"
    ROLE = "role"
    AWS_MANAGED = "aws-managed"
    USER_MANAGED = "user-managed"
    RESOURCE = "resource"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PolicySource:
    """Which policy it is; `name` is the inline policy's name or the managed one's ARN, `holder` the user, group or role of an inline one."""

    name: str = ""
    kind: PolicyKind = PolicyKind.IDENTITY
    origin: Origin = Origin.NONE
    holder: str = ""


@dataclass(frozen=True, slots=True)
class StatementRef:
    """One statement of one policy; `index` counts from 0."""

    policy: PolicySource
    index: int
    sid: str
    elements: Statement | None = field(default=None, compare=False, repr=False)
    """What the statement says."""

    def __str__(self) -> str:
        name = self.sid or f"Statement[{self.index}]"
        return f"{name} of {self.policy.kind} policy {self.policy.name or '(unnamed)'}"


class Obstacle(StrEnum):
    """What kept a statement that names the action from applying."""

    RESOURCE = "resource"
    PRINCIPAL = "principal"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True)
class Missed:
    """A statement that names the action and does not apply. `actual` is what the request has of the failed condition's key."""

    statement: StatementRef
    obstacle: Obstacle
    condition: Condition | None = None
    actual: tuple[str, ...] = ()


class Decision(StrEnum):
    """The outcomes, by the names that the policy simulator gives them."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


class Verdict(msgspec.Struct, frozen=True):
    """A decision with its reasons.

    `kind` is the kind of policy that decided: that holds the deny, that lacks an allow, or that allows. `statement` is the statement that
    allows or denies; None for an implicit deny and for what needs no statement (the root user). `missed` lists, for an implicit deny, the
    allows of that kind which name the action and did not apply.
    """

    decision: Decision
    kind: PolicyKind | None = None
    statement: StatementRef | None = None
    missed: tuple[Missed, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.decision is Decision.ALLOWED
