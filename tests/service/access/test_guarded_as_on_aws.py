"""What a team relies on, through its ordinary clients: skopeo, the aws command line, boto3 and curl over real HTTP."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from tests.service.access.world import CONFIG, CONFIG_DIGEST, MANIFEST, World, build_world
from tests.support.server import REGION, Account, Keys, ServerThread, refusal, signed_headers

from roadstead.access.sessions import issue_role_session
from roadstead.kernel.arn import Arn
from roadstead.server.files import read_credentials

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
POWER_USER = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser"
FORM = "application/x-www-form-urlencoded"
WHO = b"Action=GetCallerIdentity&Version=2011-06-15"


def with_policy(admin: Account, name: str, policy: str) -> Keys:
    keys = admin.user(name)
    admin.iam.attach_user_policy(UserName=name, PolicyArn=policy)
    return keys


def skopeo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["skopeo", "--insecure-policy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def login(server: ServerThread, keys: Keys) -> str:
    """`AWS:password`, as `aws ecr get-login-password` has it."""
    answer = server.client("ecr", keys).get_authorization_token()["authorizationData"][0]
    return base64.b64decode(answer["authorizationToken"]).decode()


def write_image(root: Path) -> None:
    """An OCI layout with the image `a`."""
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifest = MANIFEST.encode()
    (blobs / CONFIG_DIGEST.removeprefix("sha256:")).write_bytes(CONFIG)
    digest = "sha256:" + sha256(manifest).hexdigest()
    (blobs / digest.removeprefix("sha256:")).write_bytes(manifest)
    named = {
        "mediaType": json.loads(MANIFEST)["mediaType"],
        "size": len(manifest),
        "digest": digest,
        "annotations": {"org.opencontainers.image.ref.name": "a"},
    }
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def test_who_may_only_read_pulls_and_does_not_push(server: ServerThread, tmp_path: Path):
    known = read_credentials(server.settings.data_dir)
    admin = Account(server, Keys(known.account, known.access_key_id, known.secret_access_key))
    admin.ecr.create_repository(repositoryName="team/web")
    reader, writer = with_policy(admin, "reader", READ_ONLY), with_policy(admin, "writer", POWER_USER)
    write_image(tmp_path / "image")
    image = f"docker://127.0.0.1:{server.port}/team/web:a"
    source, plain = f"oci:{tmp_path / 'image'}:a", ("--dest-tls-verify=false", "--src-tls-verify=false")

    refused = skopeo("copy", *plain, "--dest-creds", login(server, reader), source, image)
    assert refused.returncode != 0
    assert "denied" in refused.stderr
    assert "is not authorized to perform: ecr:" in refused.stderr
    assert admin.ecr.list_images(repositoryName="team/web")["imageIds"] == []

    pushed = skopeo("copy", *plain, "--dest-creds", login(server, writer), source, image)
    assert pushed.returncode == 0, pushed.stderr
    pulled = skopeo("copy", *plain, "--src-creds", login(server, reader), image, f"oci:{tmp_path / 'pulled'}:a")
    assert pulled.returncode == 0, pulled.stderr
    gone = skopeo("delete", "--tls-verify=false", "--creds", login(server, reader), image)
    assert gone.returncode != 0
    client = server.client("ecr", reader)
    assert client.describe_images(repositoryName="team/web")["imageDetails"][0]["imageTags"] == ["a"]
    denied = refusal(client.batch_delete_image, repositoryName="team/web", imageIds=[{"imageTag": "a"}])
    assert denied.code == "AccessDeniedException"


TEAM = {
    "Effect": "Allow",
    "Action": "ecs:StopTask",
    "Resource": "*",
    "Condition": {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}},
}


def of_team(admin: Account, kind: str) -> Keys:
    """The keys of a user, or of a role's session, that is tagged as the yellow team's and may stop that team's tasks."""
    tags = [{"Key": "team", "Value": "yellow"}]
    document = json.dumps({"Version": "2012-10-17", "Statement": [TEAM]})
    if kind == "user":
        keys = admin.user("yellow", TEAM)
        admin.iam.tag_user(UserName="yellow", Tags=tags)
        return keys
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{admin.id}:root"}, "Action": "sts:AssumeRole"}
    role = admin.iam.create_role(
        RoleName="yellow",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        Tags=tags,
    )["Role"]
    admin.iam.put_role_policy(RoleName="yellow", PolicyName="p", PolicyDocument=document)
    now = datetime.now(UTC)
    session = issue_role_session(
        admin.server.sealer(),
        role=Arn.parse(role["Arn"]),
        role_id=role["RoleId"],
        session_name="s",
        now=now,
        expires=now + timedelta(hours=1),
    )
    return Keys(admin.id, session.access_key_id, session.secret_access_key, session.session_token)


@pytest.mark.parametrize("kind", ["user", "role"])
def test_only_tasks_with_the_tag_can_be_stopped(admin: Account, kind: str):
    world: World = build_world(admin)
    keys = of_team(admin, kind)
    ecs = admin.server.client("ecs", keys)

    def run(*tags: tuple[str, str]) -> str:
        given = [{"key": key, "value": value} for key, value in tags]
        ran = admin.ecs.run_task(cluster="zzworldcluster", taskDefinition=world.arns["task-definition"], tags=given)
        return ran["tasks"][0]["taskArn"]

    mine, theirs, nobodys = run(("team", "yellow")), run(("team", "blue")), run()
    for task in (theirs, nobodys):
        denied = refusal(ecs.stop_task, cluster="zzworldcluster", task=task)
        assert denied.code == "AccessDeniedException"
        assert f"is not authorized to perform: ecs:StopTask on resource: {task}" in denied.message
    assert ecs.stop_task(cluster="zzworldcluster", task=mine)["task"]["desiredStatus"] == "STOPPED"
    admin.ecs.tag_resource(resourceArn=nobodys, tags=[{"key": "team", "value": "yellow"}])
    ecs.stop_task(cluster="zzworldcluster", task=nobodys)
    admin.ecs.untag_resource(resourceArn=mine, tagKeys=["team"])
    assert refusal(ecs.stop_task, cluster="zzworldcluster", task=mine).code == "AccessDeniedException"
    states = admin.ecs.describe_tasks(cluster="zzworldcluster", tasks=[mine, theirs, nobodys])["tasks"]
    assert [state["desiredStatus"] for state in states] == ["STOPPED", "RUNNING", "STOPPED"]


def curl(server: ServerThread, *arguments: str) -> tuple[int, str]:
    """Status and body of one request by curl."""
    command = ["curl", "--silent", "--max-time", "30", "--write-out", "\n%{http_code}", *arguments]
    url = f"http://127.0.0.1:{server.port}/"
    done = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def _by_hand(server: ServerThread, keys: Keys, *, minutes: float = 0.0) -> list[str]:
    when = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = signed_headers(server.port, keys, "sts", {"content-type": FORM}, WHO, now=when)
    return [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]


CURL: dict[str, tuple[Callable[[ServerThread, Keys], Sequence[str]], int, str]] = {
    "signed by curl": (
        lambda _, keys: ["--aws-sigv4", f"aws:amz:{REGION}:sts", "--user", f"{keys.key}:{keys.secret}"],
        200,
        "<Arn>arn:aws:iam::",
    ),
    "signed by hand": (lambda server, keys: _by_hand(server, keys), 200, "<Arn>arn:aws:iam::"),
    "forged": (
        lambda _, keys: ["--aws-sigv4", f"aws:amz:{REGION}:sts", "--user", f"{keys.key}:{'x' * 40}"],
        403,
        "<Code>SignatureDoesNotMatch</Code>",
    ),
    "stripped": (lambda *_: [], 403, "<Code>MissingAuthenticationToken</Code>"),
    "expired": (
        lambda server, keys: _by_hand(server, keys, minutes=-16),
        403,
        "<Code>SignatureDoesNotMatch</Code>",
    ),
    "from the future": (
        lambda server, keys: _by_hand(server, keys, minutes=16),
        403,
        "<Code>SignatureDoesNotMatch</Code>",
    ),
}


@pytest.mark.parametrize("attempt", CURL)
def test_curl(sqlite_admin: Account, attempt: str):
    arguments, status, part = CURL[attempt]
    found = curl(sqlite_admin.server, *arguments(sqlite_admin.server, sqlite_admin.keys), "-d", WHO.decode())
    assert found[0] == status, found
    assert part in found[1]
    if attempt == "expired":
        assert "Signature expired: " in found[1]


def test_curl_with_another_body_than_was_signed(sqlite_admin: Account):
    signed = _by_hand(sqlite_admin.server, sqlite_admin.keys)
    status, body = curl(sqlite_admin.server, *signed, "-d", "Action=GetSessionToken&Version=2011-06-15")
    assert (status, "<Code>SignatureDoesNotMatch</Code>" in body) == (403, True)


def client(admin: Account, **config: Any) -> Any:
    return boto3.client(
        "ecs",
        endpoint_url=f"http://127.0.0.1:{admin.server.port}",
        region_name=REGION,
        aws_access_key_id=config.pop("key", admin.keys.key),
        aws_secret_access_key=config.pop("secret", admin.keys.secret),
        aws_session_token=config.pop("token", None),
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def test_boto3(sqlite_admin: Account, monkeypatch: pytest.MonkeyPatch):
    assert client(sqlite_admin).list_clusters()["clusterArns"] == []
    assert refusal(client(sqlite_admin, secret="x" * 40).list_clusters).code == "InvalidSignatureException"
    assert refusal(client(sqlite_admin, key="AKIANOTTHEREATALL000").list_clusters).code == "UnrecognizedClientException"
    stripped = client(sqlite_admin, signature_version=UNSIGNED)
    assert refusal(stripped.list_clusters).code == "MissingAuthenticationTokenException"
    assert refusal(client(sqlite_admin, token="forged").list_clusters).code == "UnrecognizedClientException"
    monkeypatch.setattr(botocore.auth, "get_current_datetime", _a_quarter_ago)
    expired = refusal(client(sqlite_admin).list_clusters)
    assert (expired.code, expired.status) == ("InvalidSignatureException", 400)
    assert expired.message.startswith("Signature expired: ")


def _a_quarter_ago(remove_tzinfo: bool = True) -> datetime:
    moment = datetime.now(UTC) - timedelta(minutes=15)
    return moment.replace(tzinfo=None) if remove_tzinfo else moment


LATE = """
import sys, datetime, botocore.auth
def late(remove_tzinfo=True):
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=15)
    return moment.replace(tzinfo=None) if remove_tzinfo else moment
botocore.auth.get_current_datetime = late
from awscli.clidriver import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("changed", "more", "program", "error"),
    [
        ({}, [], ["-m", "awscli"], None),
        ({"AWS_SECRET_ACCESS_KEY": "x" * 40}, [], ["-m", "awscli"], "(SignatureDoesNotMatch)"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOTTHEREATALL000"}, [], ["-m", "awscli"], "(InvalidClientTokenId)"),
        ({}, ["--no-sign-request"], ["-m", "awscli"], "(MissingAuthenticationToken)"),
        ({}, [], ["-c", LATE], "(SignatureDoesNotMatch)"),
    ],
    ids=["signed", "forged", "unknown key", "stripped", "expired"],
)
def test_the_aws_command_line(
    sqlite_admin: Account, changed: dict[str, str], more: list[str], program: list[str], error: str | None
):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{sqlite_admin.server.port}",
        "AWS_ACCESS_KEY_ID": sqlite_admin.keys.key,
        "AWS_SECRET_ACCESS_KEY": sqlite_admin.keys.secret,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_PAGER": "",
        **changed,
    }
    command = [sys.executable, *program, "sts", "get-caller-identity", *more]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode == 0) == (error is None), done.stderr
    assert error is None or error in done.stderr
