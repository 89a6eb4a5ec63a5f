"""Worked examples of the IAM User Guide beyond its pages of the evaluation logic: boundaries, attributes, several values, limits of accounts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.unit.core.policy.policies import ALLOWED, EXPLICIT, FULL, IMPLICIT, allow, ask_with, deny, policy

from roadstead.core.policy.evaluate import PolicySet, evaluate
from roadstead.core.policy.trace import Decision, PolicyKind

Values = dict[str, str | Sequence[str]]


def test_a_boundary_grants_nothing_itself() -> None:
    """ "Permissions boundaries for IAM entities": Shirley may manage three services at most."""
    boundary = policy(allow(["s3:*", "cloudwatch:*", "ec2:*"]))
    policies = PolicySet(identity=(policy(allow("iam:CreateUser")),), boundary=boundary)
    made = evaluate(ask_with({}, "iam:CreateUser", "*"), policies)
    assert (made.decision, made.kind) == (IMPLICIT, PolicyKind.BOUNDARY)
    read = evaluate(ask_with({}, "s3:GetObject"), policies)
    assert (read.decision, read.kind) == (IMPLICIT, PolicyKind.IDENTITY)
    assert evaluate(ask_with({}), PolicySet(identity=(policy(allow("s3:*")),), boundary=boundary)).allowed


COMPANY = "arn:aws:iam::123456789012:policy/XCompanyBoundaries"
DELEGATED = "arn:aws:iam::123456789012:policy/DelegatedUserBoundary"
ZHANG = policy(
    allow(
        ["iam:AttachUserPolicy", "iam:CreateUser", "iam:DeleteUserPolicy", "iam:PutUserPermissionsBoundary"],
        Condition={"StringEquals": {"iam:PermissionsBoundary": COMPANY}},
        Sid="CreateOrChangeOnlyWithBoundary",
    ),
    allow(["cloudwatch:*", "iam:CreatePolicy", "iam:DeleteUser", "iam:GetUser"], Sid="CloudWatchAndOtherIAMTasks"),
    deny(
        ["iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"],
        [COMPANY, DELEGATED],
        Sid="NoBoundaryPolicyEdit",
    ),
    deny("iam:DeleteUserPermissionsBoundary", Sid="NoBoundaryUserDelete"),
)


@pytest.mark.parametrize(
    ("action", "resource", "keys", "expected"),
    [
        ("iam:CreateUser", "user/Nikhil", {"iam:PermissionsBoundary": COMPANY}, ALLOWED),
        ("iam:CreateUser", "user/Nikhil", {}, IMPLICIT),
        ("iam:CreateUser", "user/Nikhil", {"iam:PermissionsBoundary": DELEGATED}, IMPLICIT),
        ("iam:AttachUserPolicy", "user/Nikhil", {"iam:PermissionsBoundary": COMPANY}, ALLOWED),
        ("iam:DeleteUserPermissionsBoundary", "user/Nikhil", {"iam:PermissionsBoundary": COMPANY}, EXPLICIT),
        ("iam:CreatePolicyVersion", "policy/XCompanyBoundaries", {}, EXPLICIT),
        ("iam:DeletePolicy", "policy/DelegatedUserBoundary", {}, EXPLICIT),
        ("iam:CreatePolicy", "policy/other", {}, ALLOWED),
        ("s3:GetObject", "user/Nikhil", {}, IMPLICIT),
    ],
)
def test_responsibility_is_delegated_by_boundaries(
    action: str, resource: str, keys: Values, expected: Decision
) -> None:
    """ "Delegating responsibility to others using permissions boundaries": Zhang makes users who have the company's boundary."""
    request = ask_with(keys, action, f"arn:aws:iam::123456789012:{resource}")
    policies = PolicySet(identity=(policy(allow(["iam:*", "cloudwatch:*", "s3:*"])),), boundary=ZHANG)
    assert evaluate(request, policies).decision is expected


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("s3:GetObject", "arn:aws:s3:::project/x", ALLOWED),
        ("s3:GetObject", "arn:aws:s3:::logs/x", EXPLICIT),
        ("iam:CreateAccessKey", "arn:aws:iam::123456789012:user/ann", ALLOWED),
        ("iam:CreateAccessKey", "arn:aws:iam::123456789012:user/bob", IMPLICIT),
        ("rds:DeleteDBInstance", "arn:aws:rds:eu-west-1:123456789012:db:x", IMPLICIT),
        ("ec2:StopInstances", "arn:aws:ec2:eu-west-1:123456789012:instance/i-1234567890abcdef0", EXPLICIT),
    ],
)
def test_the_boundary_of_delegated_users(action: str, resource: str, expected: Decision) -> None:
    """The same page: what those users can do at most, however much they are granted."""
    boundary = policy(
        allow(["s3:*", "cloudwatch:*", "ec2:*", "dynamodb:*"], Sid="ServiceBoundaries"),
        allow(["iam:*AccessKey*", "iam:ChangePassword"], "arn:aws:iam::*:user/${aws:username}", Sid="OwnKeys"),
        deny("s3:*", ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"], Sid="DenyS3Logs"),
        deny("ec2:*", "arn:aws:ec2:*:*:instance/i-1234567890abcdef0", Sid="DenyEC2Production"),
    )
    request = ask_with({"aws:username": "ann"}, action, resource)
    assert evaluate(request, PolicySet(identity=(policy(allow()),), boundary=boundary)).decision is expected


def same(key: str) -> str:
    return f"${{aws:PrincipalTag/{key}}}"


PROJECT_AND_TEAM = policy(
    allow(
        "secretsmanager:*",
        Sid="AllActionsSecretsManagerSameProject",
        Condition={
            "StringEquals": {f"aws:ResourceTag/{key}": same(key) for key in ("access-project", "access-team")},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["access-project", "access-team", "cost-center", "Name"]},
            "StringEqualsIfExists": {f"aws:RequestTag/{key}": same(key) for key in ("access-project", "access-team")},
        },
    ),
    allow(["secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets"], Sid="AllResourcesSecretsManagerNoTags"),
    allow(
        ["secretsmanager:Describe*", "secretsmanager:Get*", "secretsmanager:List*"],
        Sid="ReadSecretsManagerSameTeam",
        Condition={"StringEquals": {"aws:ResourceTag/access-team": same("access-team")}},
    ),
    deny(
        "secretsmanager:UntagResource",
        Sid="DenyUntagSecretsManagerReservedTags",
        Condition={"ForAnyValue:StringLike": {"aws:TagKeys": "access-*"}},
    ),
    deny("secretsmanager:*Policy", Sid="DenyPermissionsManagement"),
)


def secret(project: str, team: str) -> Values:
    return {"aws:ResourceTag/access-project": project, "aws:ResourceTag/access-team": team}


@pytest.mark.parametrize(
    ("action", "keys", "expected"),
    [
        ("GetSecretValue", secret("peg", "eng"), ALLOWED),
        ("DeleteSecret", secret("peg", "eng"), ALLOWED),
        ("GetSecretValue", secret("uni", "eng"), ALLOWED),
        ("DeleteSecret", secret("uni", "eng"), IMPLICIT),
        ("GetSecretValue", secret("peg", "qas"), IMPLICIT),
        ("GetSecretValue", {}, IMPLICIT),
        ("GetRandomPassword", {}, ALLOWED),
        ("TagResource", {**secret("peg", "eng"), "aws:TagKeys": ["Name"], "aws:RequestTag/Name": "x"}, ALLOWED),
        ("TagResource", {**secret("peg", "eng"), "aws:TagKeys": ["other"], "aws:RequestTag/other": "x"}, IMPLICIT),
        (
            "TagResource",
            {**secret("peg", "eng"), "aws:TagKeys": ["access-team"], "aws:RequestTag/access-team": "qas"},
            IMPLICIT,
        ),
        ("UntagResource", {**secret("peg", "eng"), "aws:TagKeys": ["Name"]}, ALLOWED),
        ("UntagResource", {**secret("peg", "eng"), "aws:TagKeys": ["Name", "access-team"]}, EXPLICIT),
        ("PutResourcePolicy", secret("peg", "eng"), EXPLICIT),
    ],
)
def test_attributes_instead_of_names(action: str, keys: Values, expected: Decision) -> None:
    """ "Define permissions to access AWS resources based on tags": a role of project peg, team eng."""
    caller: Values = {"aws:PrincipalTag/access-project": "peg", "aws:PrincipalTag/access-team": "eng"}
    resource = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"
    request = ask_with({**caller, **keys}, f"secretsmanager:{action}", resource)
    assert evaluate(request, PolicySet(identity=(PROJECT_AND_TEAM,))).decision is expected


ONE, BOTH, NEITHER = ["key1"], ["key1:a", "key2"], ["key3"]


@pytest.mark.parametrize(
    ("condition", "given", "denied"),
    [
        ({"ForAllValues:StringLike": {"aws:TagKeys": "key1*"}}, ONE, True),
        ({"ForAllValues:StringLike": {"aws:TagKeys": "key1*"}}, BOTH, False),
        ({"ForAllValues:StringLike": {"aws:TagKeys": ["key1*", "key2*"]}}, BOTH, True),
        ({"ForAllValues:StringLike": {"aws:TagKeys": "key1*"}}, None, True),
        ({"ForAllValues:StringLike": {"aws:TagKeys": "key1*"}, "Null": {"aws:TagKeys": "false"}}, None, False),
        ({"ForAllValues:StringLike": {"aws:TagKeys": "key1*"}, "Null": {"aws:TagKeys": "false"}}, ONE, True),
        ({"ForAnyValue:StringLike": {"aws:TagKeys": "key1*"}}, BOTH, True),
        ({"ForAnyValue:StringLike": {"aws:TagKeys": ["key1*", "key2*"]}}, NEITHER, False),
        ({"ForAnyValue:StringLike": {"aws:TagKeys": "key1*"}}, None, False),
    ],
)
def test_several_values_of_a_request(
    condition: dict[str, dict[str, object]], given: list[str] | None, denied: bool
) -> None:
    """ "Multivalued context key examples"."""
    keys: Values = {} if given is None else {"aws:TagKeys": given}
    request = ask_with(keys, "iam:TagUser", "arn:aws:iam::123456789012:user/ann")
    verdict = evaluate(request, PolicySet(identity=(FULL, policy(deny("iam:Tag*", Condition=condition)))))
    assert verdict.decision is (EXPLICIT if denied else ALLOWED)


@pytest.mark.parametrize(
    ("action", "region", "who", "expected"),
    [
        ("ecs:RunTask", "eu-central-1", "user/ann", ALLOWED),
        ("ecs:RunTask", "us-east-1", "user/ann", EXPLICIT),
        ("iam:ListUsers", "us-east-1", "user/ann", ALLOWED),
        ("ecs:RunTask", "us-east-1", "role/Role1AllowedToBypassThisSCP", ALLOWED),
    ],
)
def test_an_account_is_kept_to_its_regions(action: str, region: str, who: str, expected: Decision) -> None:
    """ "Deny access to AWS based on the requested AWS Region", of the examples of service control policies."""
    limit = policy(
        {
            "Effect": "Deny",
            "NotAction": ["iam:*", "organizations:*", "sts:*"],
            "Resource": "*",
            "Condition": {
                "StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "eu-west-1"]},
                "ArnNotLike": {"aws:PrincipalARN": "arn:aws:iam::*:role/Role1AllowedToBypassThisSCP"},
            },
        },
        kind=PolicyKind.SERVICE_CONTROL,
    )
    keys: Values = {"aws:RequestedRegion": region, "aws:PrincipalArn": f"arn:aws:iam::123456789012:{who}"}
    everything = policy(allow(), kind=PolicyKind.SERVICE_CONTROL)
    policies = PolicySet(identity=(FULL,), service_control=((everything, limit),))
    assert evaluate(ask_with(keys, action, "*"), policies).decision is expected
