"""Several accounts in one deployment: made, listed, limited, and strangers to each other."""

from __future__ import annotations

import itertools
import json

import pytest
from tests.service.accounts.managing import Managing, managing
from tests.support.server import Account, Keys, ServerThread, refusal

_names = itertools.count()


@pytest.fixture
def deployment(server: ServerThread) -> Managing:
    return managing(server)


@pytest.fixture
def member(deployment: Managing) -> Account:
    """The administrator of a new account."""
    return deployment.create(f"member {next(_names)}")


def test_a_new_account_has_an_administrator_and_a_role_for_the_managing_account(
    deployment: Managing, member: Account
) -> None:
    assert member.sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{member.id}:user/admin"
    attached = member.iam.list_attached_user_policies(UserName="admin")["AttachedPolicies"]
    assert [each["PolicyName"] for each in attached] == ["AdministratorAccess"]
    role = member.iam.get_role(RoleName="OrganizationAccountAccessRole")["Role"]
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"AWS": f"arn:aws:iam::{deployment.keys.account}:root"}
    attached = member.iam.list_attached_role_policies(RoleName="OrganizationAccountAccessRole")["AttachedPolicies"]
    assert [each["PolicyName"] for each in attached] == ["AdministratorAccess"]


def test_the_managing_account_works_in_it_and_a_stranger_does_not(deployment: Managing, member: Account) -> None:
    arn = f"arn:aws:iam::{member.id}:role/OrganizationAccountAccessRole"
    sts = deployment.server.client("sts", deployment.keys)
    given = sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    keys = Keys(member.id, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    deployment.server.client("ecs", keys).create_cluster(clusterName="made-from-outside")
    (cluster,) = member.ecs.list_clusters()["clusterArns"]
    assert cluster == f"arn:aws:ecs:us-east-1:{member.id}:cluster/made-from-outside"
    other = deployment.create(f"other {next(_names)}")
    assert refusal(other.sts.assume_role, RoleArn=arn, RoleSessionName="me").code == "AccessDenied"
    deployment.limit(member, "NoClusters", {"Effect": "Deny", "Action": "ecs:*", "Resource": "*"})
    denied = refusal(deployment.server.client("ecs", keys).list_clusters)
    assert "with an explicit deny in a service control policy" in denied.message


def test_an_account_is_described_and_listed(deployment: Managing, member: Account) -> None:
    described = deployment.call("DescribeAccount", accountId=member.id)
    assert described["account"]["accountId"] == member.id
    assert described["account"]["arn"] == f"arn:aws:roadstead:us-east-1:{deployment.keys.account}:account/{member.id}"
    assert [each["policyName"] for each in described["serviceControlPolicies"]] == ["FullAWSAccess"]
    deployment.create(f"another {next(_names)}")
    listed: list[str] = []
    page = deployment.call("ListAccounts", maxResults=1)
    while True:
        (account,) = page["accounts"]
        listed.append(account["accountId"])
        if "nextToken" not in page:
            break
        page = deployment.call("ListAccounts", maxResults=1, nextToken=page["nextToken"])
    assert listed == sorted(set(listed))
    assert {deployment.keys.account, member.id} <= set(listed)
    assert deployment.refused("ListAccounts", nextToken="forged") == "InvalidParameterException"


def test_ids_and_names_are_taken_once(deployment: Managing, member: Account) -> None:
    name = f"third {next(_names)}"
    own = deployment.keys.account
    for request, code in (
        ({"accountId": member.id}, "AccountAlreadyExistsException"),
        ({"accountId": own}, "AccountAlreadyExistsException"),
        ({"accountId": deployment.server.new_account().account}, "AccountAlreadyExistsException"),
        ({"accountId": "999999999999"}, "InvalidParameterException"),
        ({"accountId": "12"}, "InvalidParameterException"),
        ({"accountName": ""}, "InvalidParameterException"),
        ({"accountName": "default"}, "AccountAlreadyExistsException"),
    ):
        assert deployment.refused("CreateAccount", **{"accountName": name, **request}) == code
    assert deployment.refused("DescribeAccount", accountId="123412341234") == "AccountNotFoundException"


def test_members_manage_nothing(deployment: Managing, member: Account) -> None:
    for operation, request in (
        ("CreateAccount", {"accountName": "mine"}),
        ("ListAccounts", {}),
        ("DescribeAccount", {"accountId": member.id}),
        ("PutServiceControlPolicy", {"accountId": member.id, "policyName": "p", "policyDocument": "{}"}),
        ("DeleteServiceControlPolicy", {"accountId": member.id, "policyName": "FullAWSAccess"}),
    ):
        assert deployment.refused_to(member.keys, operation, **request) == "AccessDeniedException"


def test_each_account_finds_a_default_network_in_each_region(deployment: Managing, member: Account) -> None:
    other = deployment.create(f"other {next(_names)}")
    seen: set[str] = set()
    for account, region in itertools.product((member, other), ("us-east-1", "eu-west-1")):
        ec2 = account.server.client("ec2", account.keys, region)
        (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        assert (vpc["OwnerId"], vpc["CidrBlock"]) == (account.id, "172.31.0.0/16")
        zones = {subnet["AvailabilityZone"] for subnet in ec2.describe_subnets()["Subnets"]}
        assert zones == {f"{region}a", f"{region}b", f"{region}c"}
        seen.add(vpc["VpcId"])
    assert len(seen) == 4


def test_accounts_are_strangers_to_each_other(deployment: Managing, member: Account) -> None:
    other = deployment.create(f"other {next(_names)}")
    member.ecs.create_cluster(clusterName="web")
    arn = f"arn:aws:ecs:us-east-1:{member.id}:cluster/web"
    assert other.ecs.list_clusters()["clusterArns"] == []
    refusal(other.ecs.delete_cluster, cluster=arn)
    (cluster,) = member.ecs.describe_clusters(clusters=["web"])["clusters"]
    assert (cluster["clusterArn"], cluster["status"]) == (arn, "ACTIVE")


def test_a_service_control_policy_limits_the_administrator_too(deployment: Managing, member: Account) -> None:
    deployment.limit(member, "NoClusters", {"Effect": "Deny", "Action": "ecs:CreateCluster", "Resource": "*"})
    denied = refusal(member.ecs.create_cluster, clusterName="web")
    assert denied.code == "AccessDeniedException"
    assert "with an explicit deny in a service control policy" in denied.message
    member.ecs.list_clusters()
    deployment.call("DeleteServiceControlPolicy", accountId=member.id, policyName="NoClusters")
    member.ecs.create_cluster(clusterName="web")


def test_without_full_access_only_what_is_listed_goes(deployment: Managing, member: Account) -> None:
    deployment.limit(member, "OnlyEcs", {"Effect": "Allow", "Action": "ecs:*", "Resource": "*"})
    member.ecr.describe_repositories()
    deployment.call("DeleteServiceControlPolicy", accountId=member.id, policyName="FullAWSAccess")
    member.ecs.list_clusters()
    denied = refusal(member.ecr.describe_repositories)
    assert "because no service control policy allows the ecr:DescribeRepositories action" in denied.message
    bob = member.server.client("ecs", deployment.create(f"free {next(_names)}").keys)
    bob.list_clusters()


def test_what_can_not_limit(deployment: Managing, member: Account) -> None:
    allow = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    named = {"accountId": member.id, "policyName": "p"}
    with_principal = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    refused = deployment.refused
    for document in ("{}", "no json", json.dumps({"Version": "2012-10-17", "Statement": with_principal})):
        code = refused("PutServiceControlPolicy", **named, policyDocument=document)
        assert code == "MalformedPolicyDocumentException"
    own = {"accountId": deployment.keys.account, "policyName": "p", "policyDocument": allow}
    assert refused("PutServiceControlPolicy", **own) == "ConstraintViolationException"
    long = {**named, "policyDocument": allow + " " * 10_240}
    assert refused("PutServiceControlPolicy", **long) == "ConstraintViolationException"
    last = {"accountId": member.id, "policyName": "FullAWSAccess"}
    assert refused("DeleteServiceControlPolicy", **last) == "ConstraintViolationException"
    changed = {**last, "policyDocument": allow}
    assert refused("PutServiceControlPolicy", **changed) == "InvalidParameterException"
    assert refused("DeleteServiceControlPolicy", **named) == "PolicyNotAttachedException"
    for number in range(4):
        deployment.call("PutServiceControlPolicy", **{**named, "policyName": f"p{number}", "policyDocument": allow})
    assert refused("PutServiceControlPolicy", **named, policyDocument=allow) == "ConstraintViolationException"
    deployment.call("PutServiceControlPolicy", **{**named, "policyName": "p0", "policyDocument": allow})
