"""Whatever takes a policy refuses one that is none, says where, and is not kept busy by one that is meant to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.server import Account, refusal

TRUST = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
ALLOW = {"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*"}


def document(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture
def iam(sqlite_admin: Account) -> Any:
    """With a user, a group, a role and a policy that can be changed."""
    client = sqlite_admin.iam
    client.create_user(UserName="u")
    client.create_group(GroupName="g")
    client.create_role(RoleName="r", AssumeRolePolicyDocument=document(TRUST))
    client.create_policy(PolicyName="m", PolicyDocument=document(ALLOW))
    client.account = sqlite_admin.id
    return client


IDENTITY: dict[str, Callable[[Any, str], tuple[Callable[..., Any], dict[str, str]]]] = {
    "CreatePolicy": lambda iam, text: (iam.create_policy, {"PolicyName": "n", "PolicyDocument": text}),
    "CreatePolicyVersion": lambda iam, text: (
        iam.create_policy_version,
        {"PolicyArn": f"arn:aws:iam::{iam.account}:policy/m", "PolicyDocument": text},
    ),
    "PutUserPolicy": lambda iam, text: (
        iam.put_user_policy,
        {"UserName": "u", "PolicyName": "p", "PolicyDocument": text},
    ),
    "PutGroupPolicy": lambda iam, text: (
        iam.put_group_policy,
        {"GroupName": "g", "PolicyName": "p", "PolicyDocument": text},
    ),
    "PutRolePolicy": lambda iam, text: (
        iam.put_role_policy,
        {"RoleName": "r", "PolicyName": "p", "PolicyDocument": text},
    ),
}
TRUSTING: dict[str, Callable[[Any, str], tuple[Callable[..., Any], dict[str, str]]]] = {
    "CreateRole": lambda iam, text: (iam.create_role, {"RoleName": "n", "AssumeRolePolicyDocument": text}),
    "UpdateAssumeRolePolicy": lambda iam, text: (
        iam.update_assume_role_policy,
        {"RoleName": "r", "PolicyDocument": text},
    ),
}
FLAWED = [
    ('{"Version": "2012-10-17",\n "Statement": [}', "(line 2 column 16)"),
    (document(ALLOW, {**ALLOW, "Effect": "allow"}), "(Statement[1].Effect)"),
    (document({**ALLOW, "Condition": {"StringEqual": {"aws:username": "a"}}}), "(Statement[0].Condition.StringEqual)"),
    (
        document({**ALLOW, "Condition": {"NumericLessThan": {"aws:EpochTime": "soon"}}}),
        "(Statement[0].Condition.NumericLessThan.aws:EpochTime)",
    ),
    (document({**ALLOW, "Action": ["ecs:ListClusters", "ListClusters"]}), "(Statement[0].Action[1])"),
    (document({**ALLOW, "Resource": "cluster/c"}), "(Statement[0].Resource)"),
    ("[" * 20_000, ""),
    ('{"Statement":' * 5_000, ""),
]


@pytest.mark.parametrize("operation", IDENTITY)
@pytest.mark.parametrize(("text", "place"), FLAWED, ids=[place or "deep" for _, place in FLAWED])
def test_the_place_is_told(iam: Any, operation: str, text: str, place: str):
    call, parameters = IDENTITY[operation](iam, text)
    refused = refusal(call, **parameters)
    assert (refused.code, refused.status) == ("MalformedPolicyDocument", 400)
    assert refused.message.endswith(place)


@pytest.mark.parametrize("operation", TRUSTING)
def test_a_trust_policy_is_one(iam: Any, operation: str):
    for text, place in ((document(TRUST, ALLOW), "(Statement[1])"), ("{", "(line 1 column 2)")):
        call, parameters = TRUSTING[operation](iam, text)
        refused = refusal(call, **parameters)
        assert refused.code == "MalformedPolicyDocument"
        assert refused.message.endswith(place), refused


def test_what_is_too_long_is_refused_unread(iam: Any):
    refused = refusal(iam.put_user_policy, UserName="u", PolicyName="p", PolicyDocument="[" * 131_073)
    assert refused.code == "ValidationError"
    assert "131072" in refused.message
    long = document({**ALLOW, "Resource": [f"arn:aws:ecs:*:*:cluster/{n}" for n in range(300)]})
    refused = refusal(iam.create_policy, PolicyName="n", PolicyDocument=long)
    assert refused.code == "LimitExceeded"


def test_hostile_wildcards_delay_nobody(sqlite_admin: Account, iam: Any):
    """Patterns that a backtracking matcher would try for ever, asked of names that nearly fit."""
    stars = "*a" * 200
    hostile = document(
        {**ALLOW, "Action": "ecs:*", "Resource": f"arn:aws:ecs:*:*:cluster/{stars}b"},
        {**ALLOW, "Action": "ecs:*", "Condition": {"StringLike": {"aws:UserAgent": [f"{stars}?b"] * 3}}},
    )
    iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=hostile)
    key = iam.create_access_key(UserName="u")["AccessKey"]
    body = json.dumps({"clusters": ["a" * 255] * 100}).encode()
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AmazonEC2ContainerServiceV20141113.DescribeClusters",
        "user-agent": "a" * 4000,
    }
    keys = type(sqlite_admin.keys)(sqlite_admin.id, key["AccessKeyId"], key["SecretAccessKey"])
    server = sqlite_admin.server
    answer = server.send("POST", "/", server.signed(keys, "ecs", headers, body), body)
    assert (answer.status, "AccessDeniedException" in answer.text) == (400, True)
