"""The policy simulator, asked through boto3."""

from __future__ import annotations

import json
from typing import Any

from tests.support.server import Account, refusal

BUCKETS = ["arn:aws:s3:::a", "arn:aws:s3:::b"]


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=1)


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str, resource: str = "*") -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource}


def simulate(admin: Account, text: str, action: str, **more: Any) -> dict[str, Any]:
    answer = admin.iam.simulate_custom_policy(PolicyInputList=[text], ActionNames=[action], **more)
    assert answer["IsTruncated"] is False
    (result,) = answer["EvaluationResults"]
    return result


def test_the_three_decisions_and_where_the_statement_is(admin: Account):
    text = policy(allow("s3:*"), deny("s3:DeleteBucket"))
    allowed = simulate(admin, text, "s3:ListBucket")
    assert (allowed["EvalDecision"], allowed["EvalResourceName"]) == ("allowed", "*")
    (matched,) = allowed["MatchedStatements"]
    assert matched["SourcePolicyId"] == "PolicyInputList.1"
    lines = text.splitlines()
    start = matched["StartPosition"]
    assert lines[start["Line"] - 1][start["Column"] - 1] == "{"
    end = matched["EndPosition"]
    assert lines[end["Line"] - 1][end["Column"] - 2] == "}"
    assert simulate(admin, text, "s3:DeleteBucket")["EvalDecision"] == "explicitDeny"
    assert simulate(admin, text, "ec2:RunInstances")["EvalDecision"] == "implicitDeny"


def test_several_resources_are_one_result_with_the_strictest_decision(admin: Account):
    text = policy(allow("s3:*", BUCKETS[0]))
    result = simulate(admin, text, "s3:ListBucket", ResourceArns=BUCKETS)
    assert result["EvalDecision"] == "implicitDeny"
    each = {found["EvalResourceName"]: found["EvalResourceDecision"] for found in result["ResourceSpecificResults"]}
    assert each == {BUCKETS[0]: "allowed", BUCKETS[1]: "implicitDeny"}


def test_context_keys_are_asked_for_and_counted(admin: Account):
    text = policy(allow("ecs:StopTask", Condition={"StringEquals": {"aws:ResourceTag/team": "a"}}))
    assert admin.iam.get_context_keys_for_custom_policy(PolicyInputList=[text])["ContextKeyNames"] == [
        "aws:ResourceTag/team"
    ]
    without = simulate(admin, text, "ecs:StopTask")
    assert (without["EvalDecision"], without["MissingContextValues"]) == ("implicitDeny", ["aws:ResourceTag/team"])
    entry = {"ContextKeyName": "aws:ResourceTag/team", "ContextKeyType": "string", "ContextKeyValues": ["a"]}
    given = simulate(admin, text, "ecs:StopTask", ContextEntries=[entry])
    assert (given["EvalDecision"], given["MissingContextValues"]) == ("allowed", [])


def test_boundaries_and_organisations_have_a_say(admin: Account):
    text = policy(allow("*"))
    bounded = simulate(admin, text, "s3:ListBucket", PermissionsBoundaryPolicyInputList=[policy(allow("ecs:*"))])
    assert bounded["EvalDecision"] == "implicitDeny"
    assert bounded["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_a_principal_has_what_it_and_its_groups_hold(admin: Account):
    admin.iam.create_user(UserName="ann")
    admin.iam.create_group(GroupName="readers")
    admin.iam.add_user_to_group(GroupName="readers", UserName="ann")
    arn = admin.iam.get_user(UserName="ann")["User"]["Arn"]
    managed = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
    admin.iam.attach_group_policy(GroupName="readers", PolicyArn=managed)
    asked = {"PolicySourceArn": arn, "ActionNames": ["ecr:BatchGetImage", "ecr:PutImage"]}
    found = admin.iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert [each["EvalDecision"] for each in found] == ["allowed", "implicitDeny"]
    assert found[0]["MatchedStatements"][0]["SourcePolicyId"] == "AmazonEC2ContainerRegistryReadOnly"
    pages = admin.iam.get_paginator("simulate_principal_policy").paginate(**asked, PaginationConfig={"PageSize": 1})
    assert [len(page["EvaluationResults"]) for page in pages] == [1, 1]
    left_out = admin.iam.simulate_principal_policy(**asked, PolicyExclusionList=[{"PolicyArn": managed}])
    assert left_out["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"


def test_policies_of_one_name_in_several_groups_are_told_apart(admin: Account):
    texts = {"a": policy(allow("ecs:*"), allow("s3:*")), "b": policy(allow("ec2:*"))}
    admin.iam.create_user(UserName="ann")
    for group, text in texts.items():
        admin.iam.create_group(GroupName=group)
        admin.iam.add_user_to_group(GroupName=group, UserName="ann")
        admin.iam.put_group_policy(GroupName=group, PolicyName="access", PolicyDocument=text)
    arn = admin.iam.get_user(UserName="ann")["User"]["Arn"]
    asked = ["s3:ListBucket", "ec2:RunInstances"]
    found = admin.iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=asked)["EvaluationResults"]
    starts = [each["MatchedStatements"][0]["StartPosition"]["Line"] for each in found]
    second, only = (
        max(number for number, line in enumerate(texts[group].splitlines(), 1) if line == "  {") for group in "ab"
    )
    assert starts == [second, only]


def test_what_makes_no_sense_is_refused(admin: Account):
    ask = admin.iam.simulate_custom_policy
    text = policy(allow("*"))
    assert refusal(ask, PolicyInputList=["{}"], ActionNames=["s3:ListBucket"]).code == "InvalidInput"
    assert refusal(ask, PolicyInputList=[text], ActionNames=["s3:*"]).code == "InvalidInput"
    caller = f"arn:aws:iam::{admin.id}:role/x"
    assert refusal(ask, PolicyInputList=[text], ActionNames=["s3:A"], CallerArn=caller).code == "InvalidInput"
    unknown = {"PolicySourceArn": f"arn:aws:iam::{admin.id}:user/nobody", "ActionNames": ["s3:ListBucket"]}
    assert refusal(admin.iam.simulate_principal_policy, **unknown).code == "NoSuchEntity"
