"""Worked examples of the IAM User Guide's pages of the evaluation logic.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and the pages below it.
"""

from __future__ import annotations

import pytest
from tests.unit.core.policy.policies import (
    ALLOWED,
    EXPLICIT,
    FULL,
    IMPLICIT,
    allow,
    ask,
    ask_with,
    deny,
    policy,
)

from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.principals import Requester, RequesterKind
from roadstead.core.policy.trace import Decision, PolicyKind

LOGS = policy(
    allow(
        ["s3:GetBucketLocation", "s3:GetAccountPublicAccessBlock", "s3:ListAccessPoints", "s3:ListAllMyBuckets"],
        "arn:aws:s3:::*",
        Sid="AllowS3ListRead",
    ),
    allow("s3:*", ["arn:aws:s3:::carlossalazar/*", "arn:aws:s3:::carlossalazar"], Sid="AllowS3Self"),
    deny("s3:*", "arn:aws:s3:::*log*", Sid="DenyS3Logs"),
    name="carlos",
)


def test_identity_and_resource_policies() -> None:
    """ "Example identity-based and resource-based policy evaluation"."""
    carlos = Requester(RequesterKind.USER, "arn:aws:iam::123456789012:user/carlossalazar", "123456789012")
    bucket = policy(
        {
            **allow("s3:*", ["arn:aws:s3:::carlossalazar/*", "arn:aws:s3:::carlossalazar"]),
            "Principal": {"AWS": carlos.arn},
        },
        kind=PolicyKind.RESOURCE,
    )
    logs = evaluate(ask("s3:PutObject", "arn:aws:s3:::carlossalazar-logs/x", carlos), PolicySet(identity=(LOGS,)))
    assert logs.decision is EXPLICIT
    assert logs.statement is not None
    assert (logs.statement.sid, logs.statement.index, logs.statement.policy.name) == ("DenyS3Logs", 2, "carlos")
    own = ask("s3:PutObject", "arn:aws:s3:::carlossalazar/x", carlos)
    for policies in (
        PolicySet(identity=(LOGS,), resource=bucket),
        PolicySet(identity=(LOGS,)),
        PolicySet(resource=bucket),
    ):
        assert evaluate(own, policies).allowed


def test_cross_account() -> None:
    """ "Example cross-account policy evaluation"."""
    carlos = Requester(RequesterKind.USER, "arn:aws:iam::111111111111:user/carlossalazar", "111111111111")
    identity = policy(
        allow("s3:ListAllMyBuckets", Sid="AllowS3ListRead"),
        allow("s3:*Object*", "arn:aws:s3:::Production/*", Sid="AllowS3ProductionObjectActions"),
        deny("s3:*", ["arn:aws:s3:::*log*", "arn:aws:s3:::*log*/*"], Sid="DenyS3Logs"),
    )
    bucket = policy(
        {
            **allow(
                ["s3:GetObject*", "s3:PutObject*", "s3:ReplicateObject", "s3:RestoreObject"],
                "arn:aws:s3:::Production/*",
            ),
            "Principal": {"AWS": carlos.arn},
        },
        kind=PolicyKind.RESOURCE,
    )
    logs = ask("s3:PutObject", "arn:aws:s3:::Production-logs/x", carlos, "222222222222")
    assert evaluate(logs, PolicySet(identity=(identity,))).decision is EXPLICIT
    both = PolicySet(identity=(identity,), resource=bucket)
    assert evaluate(ask("s3:PutObject", "arn:aws:s3:::Production/x", carlos, "222222222222"), both).allowed
    assert not evaluate(ask("s3:DeleteObject", "arn:aws:s3:::Production/x", carlos, "222222222222"), both).allowed


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("iam:ListUsers", ALLOWED),
        ("iam:CreatePolicy", IMPLICIT),
        ("iam:GetOrganizationsAccessReport", EXPLICIT),
        ("IAM:listusers", ALLOWED),
    ],
)
def test_explicit_and_implicit_denies(action: str, expected: Decision) -> None:
    """ "The difference between explicit and implicit denies"."""
    identity = policy(allow(["iam:Get*", "iam:List*"], Sid="AllowGetList"), deny("iam:*Report", Sid="DenyReports"))
    assert evaluate(ask(action, "*"), PolicySet(identity=(identity,))).decision is expected


def test_not_action_and_not_resource() -> None:
    """The pages of NotAction and NotResource."""
    not_action = PolicySet(
        identity=(policy({"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "arn:aws:s3:::*"}),)
    )
    assert evaluate(ask("s3:GetObject"), not_action).allowed
    assert not evaluate(ask("s3:DeleteBucket", "arn:aws:s3:::b"), not_action).allowed
    hr = {
        "Effect": "Deny",
        "Action": "s3:*",
        "NotResource": ["arn:aws:s3:::HRBucket/Payroll", "arn:aws:s3:::HRBucket/Payroll/*"],
    }
    not_resource = PolicySet(identity=(FULL, policy(hr)))
    assert evaluate(ask("s3:GetObject", "arn:aws:s3:::HRBucket/Payroll/x"), not_resource).allowed
    assert evaluate(ask("s3:GetObject", "arn:aws:s3:::HRBucket/other"), not_resource).decision is EXPLICIT


def test_inverted_operators_match_a_variable_without_a_value() -> None:
    """ "Policy variables with no value"."""
    condition = {"StringNotEquals": {"s3:ExistingObjectTag/Team": "${aws:PrincipalTag/Team}"}}
    policies = PolicySet(identity=(FULL, policy(deny("s3:GetObject", Condition=condition))))
    tagged = {"s3:ExistingObjectTag/Team": "yellow"}
    assert evaluate(ask_with(tagged), policies).decision is EXPLICIT
    assert evaluate(ask_with({**tagged, "aws:PrincipalTag/Team": "yellow"}), policies).allowed


def test_several_conditions_are_all_needed() -> None:
    """ "Evaluation logic for conditions with multiple keys or values"."""
    condition = {
        "StringEqualsIgnoreCase": {
            "aws:PrincipalTag/department": ["finance", "hr", "legal"],
            "aws:PrincipalTag/role": ["audit", "security"],
        },
        "StringEquals": {"aws:PrincipalAccount": "123456789012"},
    }
    policies = PolicySet(identity=(policy(allow(Condition=condition)),))
    keys = {
        "aws:PrincipalTag/department": "HR",
        "aws:PrincipalTag/role": "Audit",
        "aws:PrincipalAccount": "123456789012",
    }
    assert evaluate(ask_with(keys), policies).allowed
    for key in keys:
        verdict = evaluate(ask_with({**keys, key: "x"}), policies)
        assert not verdict.allowed
        assert verdict.missed[0].actual == ("x",)
