from __future__ import annotations

from roadstead.core.policy.document import parse_policy
from roadstead.core.policy.evaluate import Decision, trusts


def test_services() -> None:
    document = parse_policy(
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",'
        '"Principal":{"Service":["ecs-tasks.amazonaws.com"]}}}',
        trust=True,
    )
    assert trusts(document, "sts:AssumeRole", "Service", "ecs-tasks.amazonaws.com") is Decision.ALLOWED
    assert trusts(document, "sts:AssumeRole", "Service", "ec2.amazonaws.com") is Decision.IMPLICIT_DENY
    assert trusts(document, "sts:TagSession", "Service", "ecs-tasks.amazonaws.com") is Decision.IMPLICIT_DENY
    assert trusts(document, "sts:AssumeRole", "Federated", "ecs-tasks.amazonaws.com") is Decision.IMPLICIT_DENY


def test_conditions() -> None:
    document = parse_policy(
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",'
        '"Principal":{"Service":"ecs-tasks.amazonaws.com"},'
        '"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:ecs:eu-west-1:111122223333:*"}}}}',
        trust=True,
    )

    def ask(context: dict[str, str] | None) -> Decision:
        return trusts(document, "sts:AssumeRole", "Service", "ecs-tasks.amazonaws.com", context)

    assert ask({"aws:SourceArn": "arn:aws:ecs:eu-west-1:111122223333:task/x"}) is Decision.ALLOWED
    assert ask({"aws:SourceArn": "arn:aws:ecs:eu-west-1:444455556666:task/x"}) is Decision.IMPLICIT_DENY
    assert ask(None) is Decision.IMPLICIT_DENY


def test_web_identities() -> None:
    document = parse_policy(
        '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",'
        '"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1"},'
        '"Condition":{"StringEquals":{"oidc.example.com/id/1:sub":"system:serviceaccount:default:app"}}}}',
        trust=True,
    )
    provider, sub = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1", "oidc.example.com/id/1:sub"
    action = "sts:AssumeRoleWithWebIdentity"
    assert (
        trusts(document, action, "Federated", provider, {sub: "system:serviceaccount:default:app"}) is Decision.ALLOWED
    )
    assert (
        trusts(document, action, "Federated", provider, {sub: "system:serviceaccount:default:x"})
        is Decision.IMPLICIT_DENY
    )
    assert (
        trusts(document, action, "Service", provider, {sub: "system:serviceaccount:default:app"})
        is Decision.IMPLICIT_DENY
    )
