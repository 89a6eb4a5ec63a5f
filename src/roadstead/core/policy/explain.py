"""The sentences of a denial (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html)."""

from __future__ import annotations

from roadstead.core.policy.trace import Decision, Missed, Obstacle, PolicyKind, Verdict

_DENIED_BY = {
    PolicyKind.IDENTITY: "an identity-based policy",
    PolicyKind.RESOURCE: "a resource-based policy",
    PolicyKind.TRUST: "the role trust policy",
    PolicyKind.BOUNDARY: "a permissions boundary",
    PolicyKind.SESSION: "a session policy",
    PolicyKind.SERVICE_CONTROL: "a service control policy",
}
_NOT_ALLOWED_BY = {
    PolicyKind.IDENTITY: "identity-based policy",
    PolicyKind.RESOURCE: "resource-based policy",
    PolicyKind.TRUST: "role trust policy",
    PolicyKind.BOUNDARY: "permissions boundary",
    PolicyKind.SESSION: "session policy",
    PolicyKind.SERVICE_CONTROL: "service control policy",
}


def reason(verdict: Verdict, action: str) -> str:
    """The half-sentence that says which kind of policy denied `action`."""
    kind = verdict.kind or PolicyKind.IDENTITY
    if verdict.decision is Decision.EXPLICIT_DENY:
        return f"with an explicit deny in {_DENIED_BY[kind]}"
    return f"because no {_NOT_ALLOWED_BY[kind]} allows the {action} action"


def denial(principal: str, action: str, resource: str, verdict: Verdict) -> str:
    """The message of an AccessDenied; a resource of `*` is named too."""
    return f"User: {principal} is not authorized to perform: {action} on resource: {resource} {reason(verdict, action)}"


def trace_lines(verdict: Verdict) -> list[str]:
    """The reasons of a verdict for a person to read, one a line; for the operator, not for the caller."""
    lines = [
        f"{verdict.decision}: {verdict.statement}"
        if verdict.statement
        else f"{verdict.decision}: {verdict.kind or 'root user'}"
    ]
    lines.extend(f"did not apply: {missed.statement}: {_obstacle(missed)}" for missed in verdict.missed)
    return lines


def _obstacle(missed: Missed) -> str:
    if missed.condition is None:
        return "its resources do not match" if missed.obstacle is Obstacle.RESOURCE else "it names other principals"
    wanted = ", ".join(missed.condition.values)
    actual = ", ".join(missed.actual) if missed.actual else "(absent)"
    return f"{missed.condition.operator} {missed.condition.key} wants {wanted}; the request has {actual}"
