"""Passwords, MFA devices, service-linked roles, the account's summary and reports, and when things were last used."""

from __future__ import annotations

import csv
import io
import json
from base64 import b32decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.server import Account, refusal
from tests.support.waiting import until

from roadstead.access.master_key import MasterKey
from roadstead.services.iam.api import use_mfa_code
from roadstead.services.iam.credential_report import COLUMNS
from roadstead.services.iam.totp import code_at, step_at

GOOD = "Correct-Horse-7"


def test_login_profiles_and_changed_passwords(admin: Account):
    iam = admin.iam
    change = {"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "*"}
    bob = admin.server.client("iam", admin.user("bob", change))
    assert refusal(iam.create_login_profile, UserName="bob", Password="short").code == "PasswordPolicyViolation"
    made = iam.create_login_profile(UserName="bob", Password=GOOD, PasswordResetRequired=True)["LoginProfile"]
    assert iam.get_login_profile(UserName="bob")["LoginProfile"] == made
    assert made["PasswordResetRequired"] is True
    assert refusal(iam.create_login_profile, UserName="bob", Password=GOOD).code == "EntityAlreadyExists"
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireSymbols=True, PasswordReusePrevention=2)
    weak = refusal(bob.change_password, OldPassword=GOOD, NewPassword="NoSymbolsHere99")
    assert (weak.code, weak.message) == ("PasswordPolicyViolation", "Password should have at least one symbol")
    assert refusal(bob.change_password, OldPassword="wrong", NewPassword=f"{GOOD}8").code == "AccessDenied"
    assert refusal(bob.change_password, OldPassword=GOOD, NewPassword=GOOD).code == "PasswordPolicyViolation"
    bob.change_password(OldPassword=GOOD, NewPassword=f"{GOOD}8")
    assert refusal(iam.update_login_profile, UserName="bob", Password=GOOD).code == "PasswordPolicyViolation"
    iam.update_login_profile(UserName="bob", Password=f"{GOOD}9")
    iam.update_login_profile(UserName="bob", Password=GOOD)
    assert iam.get_login_profile(UserName="bob")["LoginProfile"]["PasswordResetRequired"] is False
    assert refusal(iam.delete_user, UserName="bob").code == "DeleteConflict"
    iam.delete_login_profile(UserName="bob")
    assert refusal(iam.get_login_profile, UserName="bob").code == "NoSuchEntity"


def test_the_password_policy(admin: Account):
    iam = admin.iam
    assert refusal(iam.get_account_password_policy).code == "NoSuchEntity"
    iam.update_account_password_policy(MaxPasswordAge=90, RequireNumbers=True)
    assert iam.get_account_password_policy()["PasswordPolicy"] == {
        "MinimumPasswordLength": 6,
        "RequireSymbols": False,
        "RequireNumbers": True,
        "RequireUppercaseCharacters": False,
        "RequireLowercaseCharacters": False,
        "AllowUsersToChangePassword": False,
        "ExpirePasswords": True,
        "MaxPasswordAge": 90,
    }
    iam.delete_account_password_policy()
    assert refusal(iam.delete_account_password_policy).code == "NoSuchEntity"


def codes(seed: bytes, shift: int = 0) -> dict[str, str]:
    step = step_at(datetime.now(UTC)) + shift
    return {"AuthenticationCode1": code_at(seed, step - 1), "AuthenticationCode2": code_at(seed, step)}


def test_virtual_mfa_devices(admin: Account):
    iam = admin.iam
    iam.create_user(UserName="bob")
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/m/")["VirtualMFADevice"]
    serial, seed = made["SerialNumber"], b32decode(made["Base32StringSeed"])
    assert serial == f"arn:aws:iam::{admin.id}:mfa/m/phone"
    assert made["QRCodePNG"].startswith(b"\x89PNG")
    assert [
        d["SerialNumber"] for d in iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]
    ] == [serial]
    device = {"UserName": "bob", "SerialNumber": serial}
    swapped = {
        "AuthenticationCode1": codes(seed)["AuthenticationCode2"],
        "AuthenticationCode2": codes(seed)["AuthenticationCode1"],
    }
    assert refusal(iam.enable_mfa_device, **device, **swapped).code == "InvalidAuthenticationCode"
    assert refusal(iam.resync_mfa_device, **device, **codes(seed)).code == "NoSuchEntity"
    used = codes(seed)
    iam.enable_mfa_device(**device, **used)
    assert refusal(iam.enable_mfa_device, **device, **codes(seed)).code == "EntityAlreadyExists"
    assert refusal(iam.resync_mfa_device, **device, **used).code == "InvalidAuthenticationCode"
    iam.resync_mfa_device(**device, **codes(seed, 600))
    assert [d["SerialNumber"] for d in iam.list_mfa_devices(UserName="bob")["MFADevices"]] == [serial]
    assert iam.get_mfa_device(**device)["UserName"] == "bob"
    assigned = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert [d["User"]["UserName"] for d in assigned] == ["bob"]
    assert refusal(iam.delete_virtual_mfa_device, SerialNumber=serial).code == "DeleteConflict"
    iam.tag_mfa_device(SerialNumber=serial, Tags=[{"Key": "k", "Value": "v"}])
    assert iam.list_mfa_device_tags(SerialNumber=serial)["Tags"] == [{"Key": "k", "Value": "v"}]
    iam.deactivate_mfa_device(**device)
    iam.delete_virtual_mfa_device(SerialNumber=serial)
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []


def test_a_code_proves_its_user_once(admin: Account):
    iam, server = admin.iam, admin.server
    iam.create_user(UserName="bob")
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    serial, seed, now = made["SerialNumber"], b32decode(made["Base32StringSeed"]), datetime.now(UTC)
    code = code_at(seed, step_at(now) + 5)
    master = MasterKey.load(server.settings.master_key)

    def proves(user: str, code: str, at: datetime) -> bool:
        return server.run(
            lambda tx: use_mfa_code(tx, master=master, account=admin.id, user=user, serial=serial, code=code, now=at)
        )

    later = now + timedelta(seconds=150)
    assert not proves("bob", code, later)
    iam.enable_mfa_device(UserName="bob", SerialNumber=serial, **codes(seed))
    assert not proves("bob", code, now)
    assert not proves("admin", code, later)
    assert proves("bob", code, later)
    assert not proves("bob", code, later)


def test_service_linked_roles(admin: Account):
    iam = admin.iam
    role = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com", Description="d")["Role"]
    assert role["Arn"].endswith(":role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")
    again = refusal(iam.create_service_linked_role, AWSServiceName="ecs.amazonaws.com")
    assert again.code == "InvalidInput"
    assert "has been taken in this account" in again.message
    name = {"RoleName": "AWSServiceRoleForECS"}
    attached = iam.list_attached_role_policies(**name)["AttachedPolicies"]
    assert [p["PolicyName"] for p in attached] == ["AmazonECSServiceRolePolicy"]
    for refused in (
        refusal(iam.delete_role, **name),
        refusal(iam.detach_role_policy, **name, PolicyArn=attached[0]["PolicyArn"]),
        refusal(iam.put_role_policy, **name, PolicyName="p", PolicyDocument=json.dumps({})),
        refusal(iam.update_role_description, **name, Description="x"),
    ):
        assert (refused.code, refused.status) == ("UnmodifiableEntity", 400)
    task = iam.delete_service_linked_role(**name)["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert refusal(iam.get_role, **name).code == "NoSuchEntity"
    asg = {"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": "blue"}
    assert iam.create_service_linked_role(**asg)["Role"]["RoleName"] == "AWSServiceRoleForAutoScaling_blue"
    assert refusal(iam.create_service_linked_role, AWSServiceName="x.amazonaws.com").code == "InvalidInput"
    asg["CustomSuffix"] = "b" * 35
    longest = iam.create_service_linked_role(**asg)["Role"]["RoleName"]
    assert len(longest) == 64
    assert iam.delete_service_linked_role(RoleName=longest)
    asg["CustomSuffix"] += "b"
    assert refusal(iam.create_service_linked_role, **asg).code == "InvalidInput", "no operation takes a longer name"


def test_alias_and_summary(admin: Account):
    iam, alias = admin.iam, f"team-{admin.id}"
    iam.create_account_alias(AccountAlias=alias)
    assert iam.list_account_aliases()["AccountAliases"] == [alias]
    assert refusal(iam.create_account_alias, AccountAlias=alias).code == "EntityAlreadyExists"
    iam.delete_account_alias(AccountAlias=alias)
    assert refusal(iam.delete_account_alias, AccountAlias=alias).code == "NoSuchEntity"
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["Groups"], summary["UsersQuota"]) == (1, 0, 5000)
    assert summary["GlobalEndpointTokenVersion"] == 2


def test_the_credential_report(admin: Account):
    iam = admin.iam
    assert refusal(iam.get_credential_report).code == "ReportNotPresent"
    keys = admin.user("bob")
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(report["Content"].decode())))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["user"] for row in rows] == ["<root_account>", "admin", "bob"]
    assert rows[2]["access_key_1_active"] == "true"
    assert rows[2]["access_key_2_last_used_date"] == "N/A"
    assert keys.secret not in report["Content"].decode()


def test_authorization_details_come_in_pages(admin: Account):
    iam = admin.iam
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}]}
    )
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document)["Policy"]["Arn"]
    iam.create_group(GroupName="g")
    iam.create_user(UserName="bob", Tags=[{"Key": "k", "Value": "v"}])
    iam.add_user_to_group(GroupName="g", UserName="bob")
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    pages = list(iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2}))
    users = [u for page in pages for u in page["UserDetailList"]]
    assert [(u["UserName"], u["GroupList"]) for u in users] == [("admin", []), ("bob", ["g"])]
    assert users[1]["Tags"] == [{"Key": "k", "Value": "v"}]
    assert users[0]["UserPolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == "*"
    groups = [g for page in pages for g in page["GroupDetailList"]]
    assert groups[0]["AttachedManagedPolicies"] == [{"PolicyName": "p", "PolicyArn": arn}]
    policies = [p for page in pages for p in page["Policies"]]
    assert [p["PolicyName"] for p in policies] == ["p", "AmazonECSServiceRolePolicy"]
    assert policies[0]["PolicyVersionList"][0]["Document"] == json.loads(document)
    only = iam.get_account_authorization_details(Filter=["Role"])
    assert ([r["RoleName"] for r in only["RoleDetailList"]], only["UserDetailList"]) == (["AWSServiceRoleForECS"], [])


def test_uses_are_recorded(admin: Account):
    iam = admin.iam
    keys = admin.user("bob", {"Effect": "Allow", "Action": ["logs:Describe*", "ecs:*"], "Resource": "*"})
    unused = iam.get_access_key_last_used(AccessKeyId=keys.key)["AccessKeyLastUsed"]
    assert unused == {"ServiceName": "N/A", "Region": "N/A"}
    bob = admin.server.client("logs", keys, region="eu-west-1")
    bob.describe_log_groups()
    assert refusal(bob.create_log_group, logGroupName="g").code == "AccessDeniedException"
    used = until(lambda: _used(iam, keys.key))
    assert (used["ServiceName"], used["Region"]) == ("logs", "eu-west-1")
    arn = f"arn:aws:iam::{admin.id}:user/bob"
    job, details = until(lambda: _both_actions(iam, arn))
    assert (details["JobStatus"], details["JobType"]) == ("COMPLETED", "ACTION_LEVEL")
    ecs, logs = details["ServicesLastAccessed"]
    assert (ecs["ServiceNamespace"], ecs["TotalAuthenticatedEntities"]) == ("ecs", 0)
    assert (logs["LastAuthenticatedEntity"], logs["LastAuthenticatedRegion"]) == (arn, "eu-west-1")
    # Attempts count, those that were denied too.
    assert {a["ActionName"] for a in logs["TrackedActionsLastAccessed"]} == {"CreateLogGroup", "DescribeLogGroups"}
    entities = iam.get_service_last_accessed_details_with_entities(JobId=job, ServiceNamespace="logs")
    assert entities["EntityDetailsList"][0]["EntityInfo"]["Name"] == "bob"
    granting = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=["ecr", "logs"])
    assert [
        (e["ServiceNamespace"], [p["PolicyName"] for p in e["Policies"]])
        for e in granting["PoliciesGrantingServiceAccess"]
    ] == [
        ("ecr", []),
        ("logs", ["p"]),
    ]


@pytest.mark.parametrize("region", ["x" * 60, "us-" + "x" * 50 + "-1"])
def test_a_signature_for_no_region_keeps_nobody_from_being_recorded(region: str, admin: Account):
    keys = admin.user("bob", {"Effect": "Allow", "Action": "logs:*", "Resource": "*"})
    assert refusal(admin.server.client("logs", keys, region=region).describe_log_groups).status in (400, 403)
    admin.server.client("logs", keys, region="eu-west-1").describe_log_groups()
    used = until(lambda: _used(admin.iam, keys.key))
    assert (used["ServiceName"], used["Region"]) == ("logs", "eu-west-1")


def _both_actions(iam: Any, arn: str) -> tuple[str, dict[str, Any]] | None:
    """A job and its details, once both calls are noted: the first may be before the second."""
    job = iam.generate_service_last_accessed_details(Arn=arn, Granularity="ACTION_LEVEL")["JobId"]
    details = iam.get_service_last_accessed_details(JobId=job)
    tracked = details["ServicesLastAccessed"][-1].get("TrackedActionsLastAccessed", [])
    return (job, details) if len(tracked) == 2 else None


def _used(iam: Any, key: str) -> dict[str, Any] | None:
    found = iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
    return found if "LastUsedDate" in found else None
