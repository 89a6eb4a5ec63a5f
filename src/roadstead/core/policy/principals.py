"""Who asks, and whom a statement means (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from roadstead.core.policy.elements import Effect, NamedPrincipal, PrincipalType, Statement

_ACCOUNT = re.compile(r"[0-9]{12}")
_ROOT = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):root")
_ARN = re.compile(r"arn:[a-z-]+:(?:iam|sts)::[0-9]{12}:[^*?]+")
_UNIQUE_ID = re.compile(r"A[A-Z0-9]{15,127}")
_SERVICE_LINKED = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:role/aws-service-role/.+")


class RequesterKind(StrEnum):
    """The kinds of principal that a request may come from."""

    ROOT = "root"
    USER = "user"
    ROLE_SESSION = "role session"
    FEDERATED_USER = "federated user"
    SERVICE = "service"
    IDENTITY_PROVIDER = "identity provider"
    """A web identity that has no principal yet: it asks for a role."""
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Requester:
    """The principal of a request.

    `arn` is the principal's own ARN: of the user, the role session, the federated user; for a service its name and for an identity
    provider its ARN or domain. `identity_arn` is the user or role behind a session. Services, providers and anonymous have no account.
    """

    kind: RequesterKind
    arn: str = ""
    account: str = ""
    identity_arn: str = ""
    unique_id: str = ""
    """`AIDA…` of a user, `AROA…` of a session's role."""

    @property
    def outside_organisation(self) -> bool:
        """Whether service control policies leave it alone: no principal of an account, or a service-linked role."""
        return not self.account or _SERVICE_LINKED.fullmatch(self.identity_arn) is not None


class Grant(IntEnum):
    """How directly a resource's policy allows a principal; the more directly, the fewer other policies have a say."""

    NONE = 0
    ACCOUNT = 1
    """Its account: the account's own policies decide who of it may."""
    IDENTITY = 2
    """The role of a session, the user behind a federated user: a boundary and a session's policies still limit it."""
    DIRECT = 3
    """The principal itself, or everybody: nothing but an explicit deny or a service control policy limits it."""


GrantOf = Callable[[Requester, bool], Grant]
"""What a statement means for a requester, who has a permissions boundary or not."""


def readable_principal(principal: NamedPrincipal) -> bool:
    """Whether a statement may name this principal; wildcards stand for everybody or not at all."""
    name = principal.name
    match principal.type:
        case PrincipalType.AWS:
            return name == "*" or any(form.fullmatch(name) for form in (_ACCOUNT, _ARN, _UNIQUE_ID))
        case PrincipalType.SERVICE | PrincipalType.FEDERATED:
            return "*" not in name and "?" not in name


def compile_principals(statement: Statement) -> GrantOf | None:
    """Whom a statement of a resource's policy means; None for a statement without principals, as identities' policies have them."""
    if statement.principals:
        return _Named(statement.principals).grant
    if statement.not_principals:
        return _excepting(_Named(statement.not_principals), statement.effect)
    return None


class _Named:
    """The principals of one element, by what they are."""

    def __init__(self, principals: Sequence[NamedPrincipal]) -> None:
        names = {kind: {p.name for p in principals if p.type is kind} for kind in PrincipalType}
        aws = names[PrincipalType.AWS]
        roots = {found[1] for found in map(_ROOT.fullmatch, aws) if found}
        self.everybody = "*" in aws
        self.accounts = roots | {name for name in aws if _ACCOUNT.fullmatch(name)}
        self.identities = aws
        self.others = {
            RequesterKind.SERVICE: names[PrincipalType.SERVICE],
            RequesterKind.IDENTITY_PROVIDER: names[PrincipalType.FEDERATED],
        }

    def grant(self, requester: Requester, bounded: bool = False) -> Grant:
        """How directly the requester is named."""
        del bounded
        if self.everybody:
            return Grant.DIRECT
        if requester.kind in self.others:
            return Grant.DIRECT if requester.arn in self.others[requester.kind] else Grant.NONE
        in_account = bool(requester.account) and requester.account in self.accounts
        if requester.kind is RequesterKind.ROOT:
            return Grant.DIRECT if in_account else Grant.NONE
        if requester.arn in self.identities:
            return Grant.DIRECT
        if self.names_identity(requester):
            return Grant.DIRECT if requester.kind is RequesterKind.USER else Grant.IDENTITY
        return Grant.ACCOUNT if in_account else Grant.NONE

    def names_identity(self, requester: Requester) -> bool:
        """Whether the user or role behind the requester is named, by ARN or by unique id."""
        named = self.identities
        return (bool(requester.identity_arn) and requester.identity_arn in named) or (
            bool(requester.unique_id) and requester.unique_id in named
        )


def _excepting(named: _Named, effect: Effect) -> GrantOf:
    """`NotPrincipal`, read so that doubt denies.

    An allow leaves out whoever is named in any way. A deny spares only who is named by each of its ARNs, the role's and the session's,
    and nobody who has a permissions boundary.
    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """

    def allowed(requester: Requester, bounded: bool) -> Grant:
        del bounded
        return Grant.DIRECT if named.grant(requester) is Grant.NONE else Grant.NONE

    def denied(requester: Requester, bounded: bool) -> Grant:
        if named.everybody:
            return Grant.NONE
        spared = named.grant(requester) is Grant.DIRECT
        if requester.kind in (RequesterKind.ROLE_SESSION, RequesterKind.FEDERATED_USER):
            spared = spared and named.names_identity(requester)
        return Grant.NONE if spared and not bounded else Grant.DIRECT

    return allowed if effect is Effect.ALLOW else denied
