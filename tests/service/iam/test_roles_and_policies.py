"""Roles, inline policies, and that policies count from the next request on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.server import Account, refusal

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def code_of(call: Any, **parameters: Any) -> str:
    return refusal(call, **parameters).code


def allow(*actions: str, resource: str = "*", effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_role(admin: Account, name: str, **more: Any) -> dict[str, Any]:
    return admin.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), **more)["Role"]


def test_a_role_is_made_read_and_deleted(admin: Account):
    made = make_role(admin, "web", Path="/app/", Description="d", MaxSessionDuration=7200)
    assert made["Arn"] == f"arn:aws:iam::{admin.id}:role/app/web"
    assert made["RoleId"].startswith("AROA")
    assert made["AssumeRolePolicyDocument"] == TRUST
    assert (made["Description"], made["MaxSessionDuration"]) == ("d", 7200)
    assert admin.iam.get_role(RoleName="web")["Role"] == {**made, "RoleLastUsed": {}}
    assert admin.iam.list_roles(PathPrefix="/app/")["Roles"] == [made]
    assert code_of(admin.iam.create_role, RoleName="web", AssumeRolePolicyDocument="{}") != "EntityAlreadyExists"
    assert code_of(make_role, admin=admin, name="web") == "EntityAlreadyExists"
    admin.iam.delete_role(RoleName="web")
    assert code_of(admin.iam.get_role, RoleName="web") == "NoSuchEntity"


def test_roles_come_in_pages(admin: Account):
    for number in range(5):
        make_role(admin, f"r{number}")
    pages = admin.iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["Roles"]) for page in pages] == [2, 2, 1]


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        "{}",
        allow("sts:AssumeRole"),
        '{"Version":"2020-01-01","Statement":[]}',
        '{"Statement":[{"Effect":"Perhaps"}]}',
    ],
)
def test_trust_policies_that_are_malformed(sqlite_admin: Account, document: str):
    code = code_of(sqlite_admin.iam.create_role, RoleName="web", AssumeRolePolicyDocument=document)
    assert code == "MalformedPolicyDocument"


@pytest.mark.parametrize("kind", ["user", "role"])
def test_inline_policies(admin: Account, kind: str):
    if kind == "role":
        make_role(admin, "x")
    else:
        admin.iam.create_user(UserName="x")
    name = {f"{kind.title()}Name": "x"}

    def call(verb: str, noun: str = "policy", **parameters: Any) -> dict[str, Any]:
        return getattr(admin.iam, f"{verb}_{kind}_{noun}")(**name, **parameters)

    for number in range(3):
        call("put", PolicyName=f"p{number}", PolicyDocument=allow("ecs:*"))
    call("put", PolicyName="p1", PolicyDocument=allow("ecr:*"))
    found = call("get", PolicyName="p1")
    assert found["PolicyDocument"] == json.loads(allow("ecr:*"))
    assert found[f"{kind.title()}Name"] == "x"
    assert call("list", "policies")["PolicyNames"] == ["p0", "p1", "p2"]
    pages = admin.iam.get_paginator(f"list_{kind}_policies").paginate(**name, PaginationConfig={"PageSize": 2})
    assert [page["PolicyNames"] for page in pages] == [["p0", "p1"], ["p2"]]
    call("delete", PolicyName="p1")
    assert code_of(call, verb="get", PolicyName="p1") == "NoSuchEntity"
    assert code_of(call, verb="delete", PolicyName="p1") == "NoSuchEntity"
    assert code_of(call, verb="put", PolicyName="p9", PolicyDocument="{}") == "MalformedPolicyDocument"


def test_a_role_with_policies_is_kept(admin: Account):
    make_role(admin, "web")
    admin.iam.put_role_policy(RoleName="web", PolicyName="p", PolicyDocument=allow("ecs:*"))
    assert code_of(admin.iam.delete_role, RoleName="web") == "DeleteConflict"
    admin.iam.delete_role_policy(RoleName="web", PolicyName="p")
    admin.iam.delete_role(RoleName="web")


def test_what_can_not_be_evaluated_is_not_stored(sqlite_admin: Account):
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "NotPrincipal": {"AWS": "*"}}
    sqlite_admin.iam.create_user(UserName="bob")
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    code = code_of(sqlite_admin.iam.put_user_policy, UserName="bob", PolicyName="p", PolicyDocument=document)
    assert code in ("NotImplemented", "MalformedPolicyDocument")
    assert sqlite_admin.iam.list_user_policies(UserName="bob")["PolicyNames"] == []


def test_a_policy_counts_from_the_next_request_on(admin: Account):
    bob = admin.server.client("logs", admin.user("bob"))
    assert code_of(bob.describe_log_groups) == "AccessDeniedException"
    admin.iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=allow("logs:*"))
    bob.describe_log_groups()
    admin.iam.put_user_policy(UserName="bob", PolicyName="q", PolicyDocument=allow("logs:Describe*", effect="Deny"))
    assert code_of(bob.describe_log_groups) == "AccessDeniedException"
    admin.iam.delete_user_policy(UserName="bob", PolicyName="q")
    bob.describe_log_groups()
    admin.iam.delete_user_policy(UserName="bob", PolicyName="p")
    assert code_of(bob.describe_log_groups) == "AccessDeniedException"


def test_policies_reach_single_resources(admin: Account):
    resource = f"arn:aws:logs:us-east-1:{admin.id}:log-group:/app/*"
    keys = admin.user("bob", {"Effect": "Allow", "Action": "logs:CreateLogGroup", "Resource": resource})
    bob = admin.server.client("logs", keys)
    bob.create_log_group(logGroupName="/app/one")
    assert code_of(bob.create_log_group, logGroupName="/other") == "AccessDeniedException"
    elsewhere = admin.server.client("logs", keys, region="eu-west-1")
    assert code_of(elsewhere.create_log_group, logGroupName="/app/one") == "AccessDeniedException"


def test_a_user_may_be_limited_to_itself(admin: Account):
    own = f"arn:aws:iam::{admin.id}:user/bob"
    keys = admin.user("bob", {"Effect": "Allow", "Action": "iam:*", "Resource": own})
    bob = admin.server.client("iam", keys)
    assert bob.get_user()["User"]["Arn"] == own
    assert code_of(bob.get_user, UserName="admin") == "AccessDenied"
    assert code_of(bob.put_user_policy, UserName="admin", PolicyName="p", PolicyDocument=allow("*")) == "AccessDenied"
    assert code_of(bob.list_users) == "AccessDenied"
