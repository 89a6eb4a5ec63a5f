"""Managed policies, attachments, boundaries and tags, as decisions see them too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.server import Account, refusal

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"


def allow(*actions: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_policy(admin: Account, name: str, *actions: str, **more: Any) -> str:
    made = admin.iam.create_policy(PolicyName=name, PolicyDocument=allow(*actions), **more)
    return made["Policy"]["Arn"]


def test_policies_and_their_versions(admin: Account):
    iam, arn = admin.iam, make_policy(admin, "p", "ecs:*", Path="/team/", Description="d")
    assert arn == f"arn:aws:iam::{admin.id}:policy/team/p"
    assert refusal(admin.iam.create_policy, PolicyName="P", PolicyDocument=allow("ecs:*")).code == "EntityAlreadyExists"
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=allow("ecr:*"))
    refused = refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=allow("ecr:*"))
    assert (refused.code, refused.status) == ("LimitExceeded", 409)
    assert refusal(iam.delete_policy_version, PolicyArn=arn, VersionId="v1").code == "DeleteConflict"
    assert refusal(iam.delete_policy, PolicyArn=arn).code == "DeleteConflict"
    assert refusal(iam.get_policy_version, PolicyArn=arn, VersionId="v9").code == "NoSuchEntity"
    pages = iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn, PaginationConfig={"PageSize": 2})
    assert [[v["VersionId"] for v in page["Versions"]] for page in pages] == [["v5", "v4"], ["v3", "v2"], ["v1"]]


def test_aws_policies_are_read_and_never_changed(admin: Account):
    iam = admin.iam
    policy = iam.get_policy(PolicyArn=READ_ONLY)["Policy"]
    document = iam.get_policy_version(PolicyArn=READ_ONLY, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert "ecr:BatchGetImage" in document["Document"]["Statement"][0]["Action"]
    assert refusal(iam.delete_policy, PolicyArn=READ_ONLY).code == "AccessDenied"
    assert refusal(iam.create_policy_version, PolicyArn=READ_ONLY, PolicyDocument=allow("*")).code == "AccessDenied"
    missing = refusal(iam.get_policy, PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")
    assert (missing.code, missing.status) == ("NoSuchEntity", 404)
    other = refusal(iam.get_policy, PolicyArn="arn:aws:iam::123456789012:policy/theirs")
    assert other.code == "AccessDenied"


def test_lists_of_policies(admin: Account):
    iam, arn = admin.iam, make_policy(admin, "mine", "ecs:*", Path="/team/")
    names = [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]]
    assert names == ["mine"]
    pages = iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 20})
    everything = [p["Arn"] for page in pages for p in page["Policies"]]
    assert arn in everything
    assert READ_ONLY in everything
    assert len(everything) == len(set(everything))
    assert iam.list_policies(OnlyAttached=True)["Policies"] == []
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=_trust(), PermissionsBoundary=arn)
    iam.attach_role_policy(RoleName="r", PolicyArn=READ_ONLY)
    assert [p["Arn"] for p in iam.list_policies(OnlyAttached=True)["Policies"]] == [READ_ONLY]
    bounding = iam.list_policies(PolicyUsageFilter="PermissionsBoundary", PathPrefix="/team/")["Policies"]
    assert [p["Arn"] for p in bounding] == [arn]
    found = iam.list_entities_for_policy(PolicyArn=arn)
    assert [r["RoleName"] for r in found["PolicyRoles"]] == ["r"]
    assert (found["PolicyUsers"], found["PolicyGroups"]) == ([], [])
    assert iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy")["PolicyRoles"] == []
    assert refusal(iam.delete_policy, PolicyArn=arn).code == "DeleteConflict"


def _trust() -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_group_grants_and_a_boundary_limits(admin: Account):
    iam, bob = admin.iam, admin.server.client("logs", admin.user("bob"))
    assert refusal(bob.describe_log_groups).code == "AccessDeniedException"
    iam.create_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName="bob")
    iam.attach_group_policy(GroupName="devs", PolicyArn="arn:aws:iam::aws:policy/CloudWatchLogsReadOnlyAccess")
    bob.describe_log_groups()
    limit = make_policy(admin, "limit", "ecs:*")
    iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=limit)
    assert refusal(bob.describe_log_groups).code == "AccessDeniedException"
    iam.delete_user_permissions_boundary(UserName="bob")
    bob.describe_log_groups()
    iam.put_group_policy(GroupName="devs", PolicyName="no", PolicyDocument=allow("logs:*", Effect="Deny"))
    assert refusal(bob.describe_log_groups).code == "AccessDeniedException"
    iam.update_group(GroupName="devs", NewGroupName="developers")
    assert iam.list_group_policies(GroupName="developers")["PolicyNames"] == ["no"]
    assert refusal(bob.describe_log_groups).code == "AccessDeniedException"
    assert refusal(iam.delete_group, GroupName="developers").code == "DeleteConflict"
    assert refusal(iam.delete_user, UserName="bob").code == "DeleteConflict"


def test_attachments_have_a_quota(sqlite_admin: Account):
    iam = sqlite_admin.iam
    iam.create_user(UserName="bob")
    arns = [make_policy(sqlite_admin, f"p{n:02}", "ecs:*") for n in range(11)]
    for arn in arns[:10]:
        iam.attach_user_policy(UserName="bob", PolicyArn=arn)
    iam.attach_user_policy(UserName="bob", PolicyArn=arns[0])
    refused = refusal(iam.attach_user_policy, UserName="bob", PolicyArn=arns[10])
    assert (refused.code, refused.message) == ("LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
    pages = iam.get_paginator("list_attached_user_policies").paginate(UserName="bob", PaginationConfig={"PageSize": 4})
    assert [[p["PolicyArn"] for p in page["AttachedPolicies"]] for page in pages] == [arns[:4], arns[4:8], arns[8:10]]
    gone = refusal(iam.detach_user_policy, UserName="bob", PolicyArn=arns[10])
    assert gone.code == "NoSuchEntity"
    service = "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy"
    assert refusal(iam.attach_user_policy, UserName="bob", PolicyArn=service).code == "PolicyNotAttachable"


def test_who_attaches_may_be_limited_to_policies_and_boundaries(admin: Account):
    only = make_policy(admin, "only", "ecs:*")
    attach = {"ArnEquals": {"iam:PolicyARN": only}}
    create = {"StringEquals": {"iam:PermissionsBoundary": only, "aws:RequestTag/team": "web"}}
    keys = admin.user(
        "delegate",
        {"Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": "*", "Condition": attach},
        {"Effect": "Allow", "Action": "iam:CreateUser", "Resource": "*", "Condition": create},
    )
    delegate = admin.server.client("iam", keys)
    tags = [{"Key": "team", "Value": "web"}]
    assert refusal(delegate.create_user, UserName="new").code == "AccessDenied"
    assert refusal(delegate.create_user, UserName="new", Tags=tags).code == "AccessDenied"
    delegate.create_user(UserName="new", Tags=tags, PermissionsBoundary=only)
    assert refusal(delegate.attach_user_policy, UserName="new", PolicyArn=READ_ONLY).code == "AccessDenied"
    delegate.attach_user_policy(UserName="new", PolicyArn=only)


def test_a_role_must_be_passed_to_an_instance_profile(admin: Account):
    iam = admin.iam
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=_trust())
    iam.create_instance_profile(InstanceProfileName="p")
    statement = {"Effect": "Allow", "Action": "iam:AddRoleToInstanceProfile", "Resource": "*"}
    bob = admin.server.client("iam", admin.user("bob", statement))
    refused = refusal(bob.add_role_to_instance_profile, InstanceProfileName="p", RoleName="r")
    assert refused.code == "AccessDenied"
    assert "iam:PassRole" in refused.message
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    assert refusal(iam.add_role_to_instance_profile, InstanceProfileName="p", RoleName="r").code == "LimitExceeded"
    assert refusal(iam.delete_instance_profile, InstanceProfileName="p").code == "DeleteConflict"
    assert refusal(iam.delete_role, RoleName="r").code == "DeleteConflict"


@pytest.mark.parametrize("kind", ["user", "role"])
def test_tag_keys_of_users_and_roles_know_no_case(admin: Account, kind: str):
    iam, name = admin.iam, {f"{kind.title()}Name": "x"}
    more = {"AssumeRolePolicyDocument": _trust()} if kind == "role" else {}
    getattr(iam, f"create_{kind}")(**name, **more)
    tag = getattr(iam, f"tag_{kind}")
    tag(**name, Tags=[{"Key": "Team", "Value": "a"}])
    tag(**name, Tags=[{"Key": "team", "Value": "b"}])
    assert getattr(iam, f"list_{kind}_tags")(**name)["Tags"] == [{"Key": "team", "Value": "b"}]
    twice = [{"Key": "K", "Value": ""}, {"Key": "k", "Value": ""}]
    assert refusal(tag, **name, Tags=twice).code == "InvalidInput"
    assert refusal(tag, **name, Tags=[{"Key": "aws:x", "Value": ""}]).code == "InvalidInput"
    many = [{"Key": f"k{n}", "Value": ""} for n in range(50)]
    assert refusal(tag, **name, Tags=many).code == "LimitExceeded"
    tag(**name, Tags=many[:49])
    pages = iam.get_paginator(f"list_{kind}_tags").paginate(**name, PaginationConfig={"PageSize": 30})
    assert [len(page["Tags"]) for page in pages] == [30, 20]


def test_names_differ_by_more_than_their_case(admin: Account):
    iam = admin.iam
    iam.create_group(GroupName="Admins")
    assert refusal(iam.create_group, GroupName="admins").code == "EntityAlreadyExists"
    iam.create_user(UserName="bob")
    iam.create_user(UserName="eve")
    assert refusal(iam.update_user, UserName="eve", NewUserName="BOB").code == "EntityAlreadyExists"
    iam.update_user(UserName="eve", NewUserName="Eve")
    iam.create_instance_profile(InstanceProfileName="p")
    assert refusal(iam.create_instance_profile, InstanceProfileName="P").code == "EntityAlreadyExists"


def test_a_key_works_on_after_its_user_was_renamed(admin: Account):
    keys = admin.user("bob", {"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    admin.iam.update_user(UserName="bob", NewUserName="rob")
    admin.server.client("logs", keys).describe_log_groups()
    assert admin.server.client("sts", keys).get_caller_identity()["Arn"].endswith(":user/rob")
    assert admin.iam.list_user_policies(UserName="rob")["PolicyNames"] == ["p"]


def test_sizes_of_policies(sqlite_admin: Account):
    iam = sqlite_admin.iam
    iam.create_user(UserName="bob")
    actions = [f"ecs:Describe{n:04}" for n in range(120)]
    refused = refusal(iam.put_user_policy, UserName="bob", PolicyName="p", PolicyDocument=allow(*actions))
    assert (refused.code, refused.message) == (
        "LimitExceeded",
        "Maximum policy size of 2048 bytes exceeded for user bob",
    )
    refused = refusal(iam.create_policy, PolicyName="p", PolicyDocument=allow(*actions * 4))
    assert (refused.code, refused.message) == ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    malformed = refusal(iam.create_policy, PolicyName="p", PolicyDocument='{"Version": "2012-10-17",\n "Statement": [}')
    assert malformed.code == "MalformedPolicyDocument"
    assert "line 2 column" in malformed.message
