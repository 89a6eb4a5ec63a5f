"""The decision over all policies that apply to a request.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and, for other accounts' resources,
reference_policies_evaluation-logic-cross-account.html. An explicit deny anywhere wins. Then service control policies, the resource's
policy, and the identity's own policies within its boundary and its session's policies must allow; how many of them the resource's policy
spares depends on how directly it names the principal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from msgspec.structs import replace

from roadstead.core.policy.compile import Acting, CompiledPolicy, CompiledStatement, Request
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.elements import PolicyDocument
from roadstead.core.policy.principals import Grant, Requester, RequesterKind
from roadstead.core.policy.trace import Decision, Missed, PolicyKind, PolicySource, Verdict

__all__ = ["ALLOWED_TO_ROOT", "Decision", "PolicySet", "Verdict", "decisive", "evaluate", "evaluate_each", "trusts"]

_MISSED_SHOWN = 20
ALLOWED_TO_ROOT = Verdict(Decision.ALLOWED)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies that apply to a request.

    None for `session` means that no policy was passed when the session began; an empty tuple allows nothing. `service_control` has one
    entry for each level of the organisation, from the root to the account; each must allow. `resource_must_allow` is set for resources
    whose policy is needed even within one account: roles (their trust policy) and KMS keys.
    """

    identity: tuple[CompiledPolicy, ...] = ()
    boundary: CompiledPolicy | None = None
    session: tuple[CompiledPolicy, ...] | None = None
    service_control: tuple[tuple[CompiledPolicy, ...], ...] = ()
    resource: CompiledPolicy | None = None
    resource_must_allow: bool = False

    @property
    def resource_kind(self) -> PolicyKind:
        """Whether the resource's policy is a trust policy."""
        return self.resource.source.kind if self.resource is not None else PolicyKind.RESOURCE

    def keys(self, action: str) -> frozenset[str]:
        """The condition keys, in lower case, that a decision about `action` may read; that of the resource's policy among them."""
        limits = [self.identity, *self.service_control, self.session or ()]
        single = [(policy,) for policy in (self.boundary, self.resource) if policy is not None]
        return frozenset[str]().union(*(_acting(policies, action).keys for policies in (*limits, *single)))


def evaluate(request: Request, policies: PolicySet) -> Verdict:
    """Decide one action on one resource."""
    if request.bounded != (policies.boundary is not None):
        request = replace(request, bounded=policies.boundary is not None)
    denied = _explicit_deny(request, policies)
    if denied is not None:
        return denied
    if policies.service_control and not request.requester.outside_organisation:
        for level in policies.service_control:
            if _allow(level, request) is None:
                return _implicit(PolicyKind.SERVICE_CONTROL, level, request)
    return _permission(request, policies)


def evaluate_each(questions: Sequence[tuple[Request, PolicySet]]) -> tuple[Request, Verdict]:
    """Decide several resources of one action, which must all be allowed; see `decisive`."""
    return decisive([(request, evaluate(request, policies)) for request, policies in questions])


def decisive(answers: Sequence[tuple[Request, Verdict]]) -> tuple[Request, Verdict]:
    """What the decisions on several resources come to: the first explicit deny, else the first deny, else an allow."""
    worst: tuple[Request, Verdict] | None = None
    for request, verdict in answers:
        if verdict.decision is Decision.EXPLICIT_DENY:
            return request, verdict
        if worst is None or (worst[1].allowed and not verdict.allowed):
            worst = request, verdict
    if worst is None:
        raise ValueError("a request names at least one resource")
    return worst


def trusts(
    policy: PolicyDocument, action: str, principal_kind: str, principal: str, context: Mapping[str, str] | None = None
) -> Decision:
    """Whether a role's trust policy lets a service (`Service`, `ecs-tasks.amazonaws.com`) or a provider (`Federated`) do an STS action.

    For principals with an account, `evaluate` decides with their own policies and the trust policy as the resource's.
    """
    kind = RequesterKind.SERVICE if principal_kind == "Service" else RequesterKind.IDENTITY_PROVIDER
    request = Request(Requester(kind, arn=principal), action, "*", RequestContext(context))
    return evaluate(request, PolicySet(resource=_trust_policy(policy), resource_must_allow=True)).decision


@lru_cache(maxsize=512)
def _trust_policy(document: PolicyDocument) -> CompiledPolicy:
    return CompiledPolicy(document, PolicySource(kind=PolicyKind.TRUST))


def _permission(request: Request, policies: PolicySet) -> Verdict:
    """The verdict once nothing denies explicitly and the organisation allows."""
    requester = request.requester
    resource = _resource_grant(request, policies)
    granted, allowing = resource if resource is not None else (Grant.NONE, None)
    by_resource = Verdict(Decision.ALLOWED, policies.resource_kind, allowing.ref) if allowing is not None else None
    if not requester.account:
        return by_resource or _resource_missing(request, policies)
    elsewhere = request.resource_account is not None and request.resource_account != requester.account
    if by_resource is None and (elsewhere or policies.resource_must_allow):
        return _resource_missing(request, policies)
    if requester.kind is RequesterKind.ROOT:
        return by_resource or ALLOWED_TO_ROOT
    if by_resource is not None and not elsewhere and granted is not Grant.ACCOUNT:
        return by_resource if granted is Grant.DIRECT else _limits(request, policies, by_resource)
    allow = _allow(policies.identity, request)
    if allow is None:
        return _implicit(PolicyKind.IDENTITY, policies.identity, request)
    return _limits(request, policies, Verdict(Decision.ALLOWED, PolicyKind.IDENTITY, allow.ref))


def _limits(request: Request, policies: PolicySet, allowed: Verdict) -> Verdict:
    """`allowed`, unless the boundary or the session's policies do not allow as well. A federated user has nothing without the latter."""
    if policies.boundary is not None and _allow((policies.boundary,), request) is None:
        return _implicit(PolicyKind.BOUNDARY, (policies.boundary,), request)
    if policies.session is None:
        if request.requester.kind is RequesterKind.FEDERATED_USER:
            return Verdict(Decision.IMPLICIT_DENY, PolicyKind.SESSION)
    elif _allow(policies.session, request) is None:
        return _implicit(PolicyKind.SESSION, policies.session, request)
    return allowed


def _resource_grant(request: Request, policies: PolicySet) -> tuple[Grant, CompiledStatement] | None:
    """The most direct allow of the resource's policy."""
    best: tuple[Grant, CompiledStatement] | None = None
    if policies.resource is not None:
        for statement in policies.resource.acting(request.action).allows:
            granted = statement.grant(request)
            if granted > (best[0] if best is not None else Grant.NONE):
                best = granted, statement
    return best


def _resource_missing(request: Request, policies: PolicySet) -> Verdict:
    return _implicit(policies.resource_kind, (policies.resource,) if policies.resource is not None else (), request)


def _explicit_deny(request: Request, policies: PolicySet) -> Verdict | None:
    if policies.service_control and not request.requester.outside_organisation:
        for level in policies.service_control:
            if (found := _deny(level, request)) is not None:
                return _denied(PolicyKind.SERVICE_CONTROL, found)
    if policies.resource is not None and (found := _deny((policies.resource,), request)) is not None:
        return _denied(policies.resource_kind, found)
    if (found := _deny(policies.identity, request)) is not None:
        return _denied(PolicyKind.IDENTITY, found)
    if policies.boundary is not None and (found := _deny((policies.boundary,), request)) is not None:
        return _denied(PolicyKind.BOUNDARY, found)
    if policies.session and (found := _deny(policies.session, request)) is not None:
        return _denied(PolicyKind.SESSION, found)
    return None


def _denied(kind: PolicyKind, statement: CompiledStatement) -> Verdict:
    return Verdict(Decision.EXPLICIT_DENY, kind, statement.ref)


def _deny(policies: tuple[CompiledPolicy, ...], request: Request) -> CompiledStatement | None:
    for statement in _acting(policies, request.action).denies:
        if statement.grant(request):
            return statement
    return None


def _allow(policies: tuple[CompiledPolicy, ...], request: Request) -> CompiledStatement | None:
    for statement in _acting(policies, request.action).allows:
        if statement.grant(request):
            return statement
    return None


@lru_cache(maxsize=4096)
def _acting(policies: tuple[CompiledPolicy, ...], action: str) -> Acting:
    """The statements of policies that name an action, in the order of the policies. Policies are known by their identity."""
    each = [policy.acting(action) for policy in policies]
    return Acting(
        denies=tuple(statement for one in each for statement in one.denies),
        allows=tuple(statement for one in each for statement in one.allows),
    )


def _implicit(kind: PolicyKind, policies: tuple[CompiledPolicy, ...], request: Request) -> Verdict:
    missed: list[Missed] = []
    for statement in _acting(policies, request.action).allows:
        found = statement.missed(request)
        if found is not None and len(missed) < _MISSED_SHOWN:
            missed.append(found)
    return Verdict(Decision.IMPLICIT_DENY, kind, missed=tuple(missed))
