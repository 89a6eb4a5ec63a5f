"""An event for a person to read: one line of a list, and the reasons of its decisions."""

from __future__ import annotations

from collections.abc import Iterator

from roadstead.audit.event import MissedStatement, RecordedDecision
from roadstead.audit.reading import ReadEvent, ReadIdentity

_TYPES = {
    "identity-based": "an identity-based policy",
    "resource-based": "a resource-based policy",
    "role trust": "the role trust policy",
    "permissions boundary": "the permissions boundary",
    "session": "a session policy",
    "service control": "a service control policy",
}


def summary(event: ReadEvent) -> str:
    """Time, who, what, on what, how it ended and the request's id."""
    parts = [event.event_time, who(event.user_identity), event.action, event.aws_region]
    parts += [each.arn for each in event.resources[:3]]
    if len(event.resources) > 3:
        parts.append(f"and {len(event.resources) - 3} more")
    if event.service_event_details is not None:
        parts += [f"{name}={value}" for name, value in event.service_event_details.items()]
    parts += [event.error_code or "OK", event.request_id]
    return "  ".join(part for part in parts if part)


def who(identity: ReadIdentity) -> str:
    """The caller by its ARN; for one whose signature did not hold, the key that it claimed."""
    if identity.arn:
        return identity.arn
    if identity.invoked_by:
        return identity.invoked_by
    return f"nobody (key {identity.access_key_id})" if identity.access_key_id else "nobody"


def explanation(event: ReadEvent) -> Iterator[str]:
    """What was asked, by whom, how it was answered, and each decision with its reasons; one line each."""
    yield f"{event.event_time}  {event.action} in {event.aws_region}, request {event.request_id}"
    caller = event.user_identity
    key = f" with key {caller.access_key_id}" if caller.access_key_id and caller.arn else ""
    yield f"by {who(caller)}{key}, from {event.source_ip} ({event.user_agent or 'no user agent'})"
    yield f"answered {event.error_code}: {event.error_message}" if event.error_code else "answered without an error"
    decisions = event.additional_event_data.authorization if event.additional_event_data is not None else ()
    if not decisions:
        yield ""
        yield "no policy was asked: " + (
            "the signature did not hold" if not caller.arn else "the call failed before, or needs no permission"
        )
    for decision in decisions:
        yield ""
        yield from _decision(decision)


def _decision(decision: RecordedDecision) -> Iterator[str]:
    allowed = decision.decision == "allowed"
    yield f"{'allowed' if allowed else 'denied'}: {decision.action} on {decision.resource}"
    kind = _TYPES.get(decision.policy_type, "a policy")
    if allowed and not decision.statement:
        yield "  by nothing less than being the account's root user"
    elif allowed:
        yield f"  by {_statement(decision)}"
    elif decision.decision == "explicitDeny":
        yield f"  by an explicit deny: {_statement(decision)}"
        yield from _says(decision)
    else:
        yield f"  implicitly: what is missing is an allow in {kind}"
        if not decision.missed:
            yield "  no statement there names the action"
    for missed in decision.missed:
        yield f"  did not apply: {missed.statement} of {missed.policy_type} policy {missed.policy or '(unnamed)'}: {_obstacle(missed)}"
    if decision.context:
        yield "  the request's condition keys:"
        for name, value in decision.context.items():
            yield f"    {name} = {value if isinstance(value, str) else ', '.join(value)}"


def _statement(decision: RecordedDecision) -> str:
    return f"{decision.statement} of {decision.policy_type} policy {decision.policy or '(unnamed)'}"


def _says(decision: RecordedDecision) -> Iterator[str]:
    says = decision.says
    if says is None:
        return
    for name, values in (
        ("Action", says.actions),
        ("NotAction", says.not_actions),
        ("Resource", says.resources),
        ("NotResource", says.not_resources),
        ("Condition", says.conditions),
    ):
        if values:
            yield f"    {name}: {'; '.join(values)}"


def _obstacle(missed: MissedStatement) -> str:
    if missed.obstacle == "resource":
        return "its resources do not match"
    if missed.obstacle == "principal":
        return "it names other principals"
    actual = ", ".join(missed.actual) if missed.actual else "(absent)"
    return f"{missed.operator} {missed.key} wants {', '.join(missed.wanted)}; the request has {actual}"
