"""A change of what somebody may do counts from the next request on, on every server of a deployment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.service.accounts.managing import managing
from tests.support.postgres import PostgresServer
from tests.support.server import Account, Keys, ServerThread, server_thread
from tests.support.store import DATABASES

ALLOW = {"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass(slots=True)
class Deployment:
    """Two servers on one PostgreSQL, or twice the one on SQLite."""

    changed: ServerThread
    asked: ServerThread

    def admin(self) -> Account:
        return Account(self.changed, self.changed.new_account())


@pytest.fixture(scope="module", params=DATABASES)
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    if request.param == "sqlite":
        server: ServerThread = request.getfixturevalue("sqlite_server")
        yield Deployment(server, server)
        return
    postgres: PostgresServer = request.getfixturevalue("postgres_server")
    name = postgres.create_database()
    first, second = (tmp_path_factory.mktemp(each) for each in ("first", "second"))
    with server_thread(first, database=postgres.url(name)) as changed:
        _share_key(changed, second)
        with server_thread(second, database=postgres.url(name)) as asked:
            yield Deployment(changed, asked)
    postgres.drop_database(name)


def _share_key(server: ServerThread, data: Path) -> None:
    """Servers of one deployment have the same master key."""
    place = data / server.settings.master_key.relative_to(server.settings.data_dir)
    place.parent.mkdir(parents=True)
    shutil.copy(server.settings.master_key, place)


def code(server: ServerThread, keys: Keys) -> str:
    """What a server answers, as the code of an error."""
    try:
        server.client("ecs", keys).list_clusters()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "OK"


DENIED = "AccessDeniedException"
Change = Callable[[Any, Keys, str], None]
"""A change by the administrator's IAM client, of the user `ann`, with a managed policy that allows."""


def inline(*statements: dict[str, Any]) -> Change:
    return lambda iam, keys, arn: iam.put_user_policy(
        UserName="ann", PolicyName="p", PolicyDocument=document(*statements)
    )


def _version(allow: str) -> Change:
    def change(iam: Any, keys: Keys, arn: str) -> None:
        text = document({**ALLOW, "Action": allow})
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)

    return change


def _join(iam: Any, keys: Keys, arn: str) -> None:
    iam.create_group(GroupName="g")
    iam.put_group_policy(GroupName="g", PolicyName="p", PolicyDocument=document(ALLOW))
    iam.add_user_to_group(GroupName="g", UserName="ann")


TAGGED = {**ALLOW, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "yellow"}}}
STEPS: dict[str, list[tuple[Change, str]]] = {
    "inline policies": [
        (inline(ALLOW), "OK"),
        (inline(ALLOW, {**ALLOW, "Effect": "Deny"}), DENIED),
        (inline(ALLOW), "OK"),
        (lambda iam, *_: iam.delete_user_policy(UserName="ann", PolicyName="p"), DENIED),
    ],
    "attachments": [
        (lambda iam, _, arn: iam.attach_user_policy(UserName="ann", PolicyArn=arn), "OK"),
        (lambda iam, _, arn: iam.detach_user_policy(UserName="ann", PolicyArn=arn), DENIED),
    ],
    "versions": [
        (lambda iam, _, arn: iam.attach_user_policy(UserName="ann", PolicyArn=arn), "OK"),
        (_version("ecs:StopTask"), DENIED),
        (lambda iam, _, arn: iam.set_default_policy_version(PolicyArn=arn, VersionId="v1"), "OK"),
    ],
    "groups": [
        (_join, "OK"),
        (lambda iam, *_: iam.remove_user_from_group(GroupName="g", UserName="ann"), DENIED),
    ],
    "boundaries": [
        (inline(ALLOW), "OK"),
        (
            lambda iam, *_: iam.put_user_permissions_boundary(
                UserName="ann", PermissionsBoundary="arn:aws:iam::aws:policy/IAMUserChangePassword"
            ),
            DENIED,
        ),
        (lambda iam, *_: iam.delete_user_permissions_boundary(UserName="ann"), "OK"),
    ],
    "tags": [
        (inline(TAGGED), DENIED),
        (lambda iam, *_: iam.tag_user(UserName="ann", Tags=[{"Key": "team", "Value": "yellow"}]), "OK"),
        (lambda iam, *_: iam.untag_user(UserName="ann", TagKeys=["team"]), DENIED),
    ],
    "keys": [
        (inline(ALLOW), "OK"),
        (
            lambda iam, keys, _: iam.update_access_key(UserName="ann", AccessKeyId=keys.key, Status="Inactive"),
            "UnrecognizedClientException",
        ),
        (lambda iam, keys, _: iam.update_access_key(UserName="ann", AccessKeyId=keys.key, Status="Active"), "OK"),
        (
            lambda iam, keys, _: iam.delete_access_key(UserName="ann", AccessKeyId=keys.key),
            "UnrecognizedClientException",
        ),
    ],
}


@pytest.mark.parametrize("kind", STEPS)
def test_the_next_request_sees_it(deployment: Deployment, kind: str):
    admin = deployment.admin()
    keys = admin.user("ann")
    arn = admin.iam.create_policy(PolicyName="m", PolicyDocument=document(ALLOW))["Policy"]["Arn"]
    servers = (deployment.asked, deployment.changed)
    assert [code(server, keys) for server in servers] == [DENIED, DENIED]
    for number, (change, expected) in enumerate(STEPS[kind]):
        change(admin.iam, keys, arn)
        assert [code(server, keys) for server in servers] == [expected, expected], f"step {number}"


def test_tags_of_a_resource_count_at_once(deployment: Deployment):
    """These are no part of what is remembered of an identity: every decision reads them."""
    admin = deployment.admin()
    condition = {"StringEquals": {"aws:ResourceTag/team": "yellow"}}
    keys = admin.user("ann", {"Effect": "Allow", "Action": "ecs:*", "Resource": "*", "Condition": condition})
    made = admin.ecs.create_cluster(clusterName="c")["cluster"]["clusterArn"]
    ecs = deployment.asked.client("ecs", keys)

    def allowed() -> bool:
        try:
            ecs.describe_clusters(clusters=["c"])
        except ClientError:
            return False
        return True

    assert not allowed()
    admin.ecs.tag_resource(resourceArn=made, tags=[{"key": "team", "value": "yellow"}])
    assert allowed()
    admin.ecs.untag_resource(resourceArn=made, tagKeys=["team"])
    assert not allowed()


def test_limits_of_a_whole_account_count_at_once(deployment: Deployment):
    """Service control policies: of whoever is there already, of its open sessions, and of its administrator too."""
    organisation = managing(deployment.changed)
    admin = organisation.create("limited")
    session = admin.sts.get_session_token()["Credentials"]
    everybody = [
        admin.keys,
        Keys(admin.id, session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]),
        admin.user("ann", ALLOW),
    ]

    def codes() -> set[str]:
        return {code(server, keys) for server in (deployment.asked, deployment.changed) for keys in everybody}

    def remove(name: str) -> None:
        organisation.call("DeleteServiceControlPolicy", accountId=admin.id, policyName=name)

    assert codes() == {"OK"}
    organisation.limit(admin, "no-lists", {**ALLOW, "Effect": "Deny"})
    assert codes() == {DENIED}
    organisation.limit(admin, "no-lists", {**ALLOW, "Effect": "Deny", "Action": "ecs:RunTask"})
    assert codes() == {"OK"}
    organisation.limit(admin, "only-images", {**ALLOW, "Action": "ecr:*"})
    assert codes() == {"OK"}
    remove("FullAWSAccess")
    assert codes() == {DENIED}
    organisation.limit(admin, "only-images", ALLOW)
    assert codes() == {"OK"}
    remove("only-images")
    assert codes() == {DENIED}
