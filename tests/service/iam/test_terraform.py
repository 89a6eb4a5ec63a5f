"""The calls that Terraform's AWS provider makes for its IAM resources, in its order: create, refresh, update, destroy.

Sequences: internal/service/iam of https://github.com/hashicorp/terraform-provider-aws.
"""

from __future__ import annotations

import json
from typing import Any

from tests.support.server import Account, refusal

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
TAGS = [{"Key": "managed-by", "Value": "terraform"}, {"Key": "team", "Value": "web"}]


def allow(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


def read_role(iam: Any, name: str) -> dict[str, Any]:
    role = iam.get_role(RoleName=name)["Role"]
    iam.list_role_policies(RoleName=name)
    iam.list_attached_role_policies(RoleName=name)
    return role


def read_policy(iam: Any, arn: str) -> tuple[dict[str, Any], Any]:
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    return policy, version["Document"]


def update_policy(iam: Any, arn: str, document: str) -> None:
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    if len(versions) >= 5:
        oldest = min((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"])
        iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=False)["PolicyVersion"]
    iam.set_default_policy_version(PolicyArn=arn, VersionId=made["VersionId"])


def test_aws_iam_role_and_policy_and_attachment_and_instance_profile(admin: Account):
    iam = admin.iam
    iam.create_role(
        RoleName="node", Path="/", AssumeRolePolicyDocument=TRUST, Description="d", MaxSessionDuration=3600, Tags=TAGS
    )
    role = read_role(iam, "node")
    assert (role["Tags"], role["Description"]) == (TAGS, "d")
    made = iam.create_policy(PolicyName="pull", Path="/", Description="", PolicyDocument=allow("ecr:*"), Tags=TAGS)
    arn = made["Policy"]["Arn"]
    policy, document = read_policy(iam, arn)
    assert (policy["Tags"], document) == (TAGS, json.loads(allow("ecr:*")))
    iam.attach_role_policy(RoleName="node", PolicyArn=arn)
    assert iam.list_attached_role_policies(RoleName="node")["AttachedPolicies"] == [
        {"PolicyName": "pull", "PolicyArn": arn}
    ]
    iam.create_instance_profile(InstanceProfileName="node", Path="/", Tags=TAGS)
    iam.get_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    profile = iam.get_instance_profile(InstanceProfileName="node")["InstanceProfile"]
    assert [each["RoleName"] for each in profile["Roles"]] == ["node"]
    assert profile["Tags"] == TAGS

    other = TRUST.replace("ec2.", "ecs-tasks.")
    iam.update_assume_role_policy(RoleName="node", PolicyDocument=other)
    iam.update_role_description(RoleName="node", Description="new")
    iam.update_role(RoleName="node", MaxSessionDuration=7200)
    iam.put_role_permissions_boundary(RoleName="node", PermissionsBoundary=arn)
    iam.untag_role(RoleName="node", TagKeys=["team"])
    iam.tag_role(RoleName="node", Tags=[{"Key": "stage", "Value": "prod"}])
    role = read_role(iam, "node")
    assert (role["Description"], role["MaxSessionDuration"]) == ("new", 7200)
    assert role["AssumeRolePolicyDocument"] == json.loads(other)
    assert role["PermissionsBoundary"] == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    assert role["Tags"] == [TAGS[0], {"Key": "stage", "Value": "prod"}]
    for number in range(6):
        update_policy(iam, arn, allow(f"ecr:Get{number}*"))
    policy, document = read_policy(iam, arn)
    assert (policy["DefaultVersionId"], document) == ("v7", json.loads(allow("ecr:Get5*")))
    assert (policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]) == (1, 1)
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) == 5

    iam.remove_role_from_instance_profile(InstanceProfileName="node", RoleName="node")
    iam.delete_instance_profile(InstanceProfileName="node")
    iam.detach_role_policy(RoleName="node", PolicyArn=arn)
    iam.delete_role_permissions_boundary(RoleName="node")
    assert iam.list_instance_profiles_for_role(RoleName="node")["InstanceProfiles"] == []
    iam.delete_role(RoleName="node")
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)
    for call in (
        lambda: iam.get_role(RoleName="node"),
        lambda: iam.get_policy(PolicyArn=arn),
        lambda: iam.get_instance_profile(InstanceProfileName="node"),
    ):
        assert refusal(call).code == "NoSuchEntity"


def test_aws_iam_user_and_group_membership(admin: Account):
    iam = admin.iam
    iam.create_user(UserName="ann", Path="/", Tags=TAGS)
    assert iam.get_user(UserName="ann")["User"]["Tags"] == TAGS
    iam.create_group(GroupName="devs", Path="/")
    iam.get_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName="ann")
    pages = iam.get_paginator("get_group").paginate(GroupName="devs")
    assert [user["UserName"] for page in pages for user in page["Users"]] == ["ann"]
    iam.update_user(UserName="ann", NewUserName="anna", NewPath="/team/")
    user = iam.get_user(UserName="anna")["User"]
    assert (user["Arn"], user["Tags"]) == (f"arn:aws:iam::{admin.id}:user/team/anna", TAGS)
    iam.untag_user(UserName="anna", TagKeys=["team"])
    assert iam.list_user_tags(UserName="anna")["Tags"] == TAGS[:1]
    groups = iam.get_paginator("list_groups_for_user").paginate(UserName="anna")
    assert [group["GroupName"] for page in groups for group in page["Groups"]] == ["devs"]
    iam.remove_user_from_group(GroupName="devs", UserName="anna")
    assert refusal(iam.remove_user_from_group, GroupName="devs", UserName="anna").code == "NoSuchEntity"
    iam.delete_user(UserName="anna")
    iam.delete_group(GroupName="devs")
    assert refusal(iam.get_user, UserName="anna").code == "NoSuchEntity"


def test_aws_iam_user_with_force_destroy(admin: Account):
    iam = admin.iam
    iam.create_user(UserName="ann")
    iam.create_group(GroupName="devs")
    iam.add_user_to_group(GroupName="devs", UserName="ann")
    iam.create_access_key(UserName="ann")
    iam.create_login_profile(UserName="ann", Password="aPass-word1")

    for group in iam.list_groups_for_user(UserName="ann")["Groups"]:
        iam.remove_user_from_group(GroupName=group["GroupName"], UserName="ann")
    for key in iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    assert iam.list_ssh_public_keys(UserName="ann")["SSHPublicKeys"] == []
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert iam.list_mfa_devices(UserName="ann")["MFADevices"] == []
    iam.delete_login_profile(UserName="ann")
    assert iam.list_signing_certificates(UserName="ann")["Certificates"] == []
    assert iam.list_service_specific_credentials(UserName="ann")["ServiceSpecificCredentials"] == []
    iam.delete_user(UserName="ann")
    for call in (iam.list_ssh_public_keys, iam.list_signing_certificates, iam.list_service_specific_credentials):
        assert refusal(call, UserName="ann").code == "NoSuchEntity"


def test_what_a_user_cannot_have_is_refused_and_its_list_is_asked_for_by_right(admin: Account):
    admin.iam.create_user(UserName="ann")
    made = refusal(admin.iam.create_service_specific_credential, UserName="ann", ServiceName="codecommit.amazonaws.com")
    assert (made.code, made.status) == ("NotImplemented", 501)
    on_ann = {"Effect": "Allow", "Action": "iam:List*", "Resource": f"arn:aws:iam::{admin.id}:user/ann"}
    iam = admin.server.client("iam", admin.user("reader", on_ann))
    assert iam.list_service_specific_credentials(UserName="ann")["ServiceSpecificCredentials"] == []
    assert refusal(iam.list_service_specific_credentials, AllUsers=True).code == "AccessDenied"
    assert refusal(iam.list_ssh_public_keys).code == "AccessDenied"
    assert admin.iam.list_service_specific_credentials(AllUsers=True)["ServiceSpecificCredentials"] == []
