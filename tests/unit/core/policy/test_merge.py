from __future__ import annotations

import json

import pytest

from roadstead.core.policy.compile import Request, compiled_text
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.evaluate import Decision, PolicySet, evaluate
from roadstead.core.policy.merge import merged_policy
from roadstead.core.policy.principals import Requester, RequesterKind
from roadstead.core.policy.trace import PolicyKind, PolicySource

ARN = "arn:aws:ecr:us-east-1:000000000000:repository/"


def policy(effect: str, resource: str, version: str = "2012-10-17", sid: str = "s") -> str:
    statement = {"Sid": sid, "Effect": effect, "Principal": "*", "Action": "ecr:ListImages", "Resource": resource}
    return json.dumps({"Version": version, "Statement": statement})


def decide(texts: tuple[str, ...], name: str) -> Decision:
    own = compiled_text(merged_policy(texts), PolicySource("p", PolicyKind.RESOURCE))
    who = Requester(RequesterKind.USER, "arn:aws:iam::000000000000:user/u", "000000000000")
    return evaluate(
        Request(who, "ecr:ListImages", ARN + name, RequestContext(), "000000000000"), PolicySet(resource=own)
    ).decision


@pytest.mark.parametrize(
    ("texts", "name", "expected"),
    [
        ((policy("Allow", ARN + "a"), policy("Allow", ARN + "b")), "a", Decision.ALLOWED),
        ((policy("Allow", ARN + "a"), policy("Allow", ARN + "b")), "b", Decision.ALLOWED),
        ((policy("Allow", ARN + "a"), policy("Allow", ARN + "b")), "c", Decision.IMPLICIT_DENY),
        ((policy("Allow", ARN + "*"), policy("Deny", ARN + "b")), "b", Decision.EXPLICIT_DENY),
        ((policy("Deny", ARN + "b"), policy("Allow", ARN + "*")), "b", Decision.EXPLICIT_DENY),
    ],
)
def test_each_policy_says_what_it_says_alone(texts: tuple[str, ...], name: str, expected: Decision) -> None:
    assert decide(texts, name) == expected


def test_a_policy_without_variables_keeps_its_dollars() -> None:
    old = policy("Allow", ARN + "${aws:username}", "2008-10-17")
    assert decide((old, policy("Deny", ARN + "x")), "${aws:username}") == Decision.ALLOWED


def test_repeated_sids_are_no_fault() -> None:
    merged = json.loads(merged_policy((policy("Allow", "*"), policy("Deny", "*"), policy("Allow", "*", sid="t"))))
    assert [statement.get("Sid") for statement in merged["Statement"]] == ["s", None, "t"]
