"""A decision as the policy simulator tells it: every statement that had a part in it, and what the request left open.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from roadstead.core.policy.compile import CompiledPolicy, Request
from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.trace import Decision, PolicyKind, StatementRef, Verdict


@dataclass(frozen=True, slots=True)
class Simulated:
    """One action on one resource. `matched` are the statements that determine the result: a deny alone, or every allow."""

    verdict: Verdict
    matched: tuple[StatementRef, ...]
    by_organization: bool
    """Whether the service control policies allow."""
    by_boundary: bool
    """Whether the permissions boundary allows; true where there is none."""


def simulate(request: Request, policies: PolicySet) -> Simulated:
    """Decide, and gather what had a part in it."""
    verdict = evaluate(request, policies)
    return Simulated(
        verdict=verdict,
        matched=tuple(_matched(request, policies, verdict)),
        by_organization=all(_allows(level, request) for level in policies.service_control),
        by_boundary=policies.boundary is None or _allows((policies.boundary,), request),
    )


def most_restrictive(decisions: Sequence[Decision]) -> Decision:
    """The decision over several resources: the first of explicit deny, implicit deny and allowed that is among them."""
    order = (Decision.EXPLICIT_DENY, Decision.IMPLICIT_DENY, Decision.ALLOWED)
    return min(decisions, key=order.index)


def _matched(request: Request, policies: PolicySet, verdict: Verdict) -> Iterator[StatementRef]:
    if verdict.decision is Decision.EXPLICIT_DENY:
        if verdict.statement is not None and verdict.kind is not PolicyKind.SERVICE_CONTROL:
            yield verdict.statement
        return
    granting = [*policies.identity, *([policies.resource] if policies.resource is not None else [])]
    for policy in granting:
        for statement in policy.acting(request.action).allows:
            if statement.grant(request):
                yield statement.ref


def _allows(policies: Sequence[CompiledPolicy], request: Request) -> bool:
    acting = [policy.acting(request.action) for policy in policies]
    return not any(statement.grant(request) for found in acting for statement in found.denies) and any(
        statement.grant(request) for found in acting for statement in found.allows
    )
