"""A request's decisions as an event keeps them, for `roadstead why`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from roadstead.access.decided import Decided
from roadstead.audit.event import (
    AdditionalData,
    EventResource,
    MissedStatement,
    RecordedDecision,
    RecordedStatement,
)
from roadstead.core.policy.compile import Request
from roadstead.core.policy.elements import Condition, Statement
from roadstead.core.policy.trace import Missed, StatementRef, Verdict
from roadstead.kernel.arn import Arn, InvalidArn

_MOST = 50
"""Decisions of one request that are kept: a request may name hundreds of resources."""


def additional_data(decisions: Sequence[Decided]) -> AdditionalData | None:
    """The decisions of a request, those that denied in full."""
    if not decisions:
        return None
    answers = [answer for decided in decisions for answer in decided.answers]
    return AdditionalData(tuple(_recorded(request, verdict) for request, verdict in answers[:_MOST]))


def resources_of(decisions: Sequence[Decided]) -> tuple[EventResource, ...]:
    """The resources that were decided on, each once."""
    names = {request.resource: None for decided in decisions for request, _ in decided.answers}
    return tuple(found for name in names if (found := event_resource(name)) is not None)[:_MOST]


@lru_cache(maxsize=4096)
def event_resource(arn: str) -> EventResource | None:
    """A resource by its ARN; None for `*` and for patterns."""
    try:
        named = Arn.parse(arn)
    except InvalidArn:
        return None
    if "*" in arn:
        return None
    return EventResource(arn, named.account, _type(named))


_SERVICES = {
    "autoscaling": "AutoScaling",
    "ec2": "EC2",
    "ecr": "ECR",
    "ecs": "ECS",
    "eks": "EKS",
    "elasticloadbalancing": "ElasticLoadBalancingV2",
    "iam": "IAM",
    "logs": "Logs",
    "secretsmanager": "SecretsManager",
    "ssm": "SSM",
}
"""Names of services in resource types, where CloudFormation has them."""


def _type(arn: Arn) -> str:
    """`AWS::ECS::TaskDefinition` for `task-definition/web:1` of ecs."""
    service = _SERVICES.get(arn.service)
    kind = arn.resource.replace(":", "/").partition("/")[0]
    if service is None or kind == arn.resource:
        return ""
    return f"AWS::{service}::{''.join(word[:1].upper() + word[1:] for word in kind.split('-'))}"


def _recorded(request: Request, verdict: Verdict) -> RecordedDecision:
    statement = verdict.statement
    kind = verdict.kind or ""
    policy = statement.policy.name if statement is not None else ""
    named = _named(statement) if statement is not None else ""
    if verdict.allowed:
        return RecordedDecision(request.action, request.resource, verdict.decision, kind, policy, named)
    return RecordedDecision(
        request.action,
        request.resource,
        verdict.decision,
        kind,
        policy,
        named,
        _says(statement.elements) if statement is not None and statement.elements is not None else None,
        tuple(_missed(each) for each in verdict.missed),
        dict(sorted(request.context.given.items())),
    )


def _named(statement: StatementRef) -> str:
    return statement.sid or f"Statement[{statement.index}]"


def _says(statement: Statement) -> RecordedStatement:
    return RecordedStatement(
        statement.effect.value,
        statement.actions,
        statement.not_actions,
        statement.resources,
        statement.not_resources,
        tuple(_condition(each) for each in statement.conditions),
    )


def _condition(condition: Condition) -> str:
    return f"{condition.operator} {condition.key}: {', '.join(condition.values)}"


def _missed(missed: Missed) -> MissedStatement:
    policy, condition = missed.statement.policy, missed.condition
    return MissedStatement(
        policy.kind.value,
        policy.name,
        _named(missed.statement),
        missed.obstacle.value,
        condition.operator if condition is not None else "",
        condition.key if condition is not None else "",
        condition.values if condition is not None else (),
        missed.actual,
    )
