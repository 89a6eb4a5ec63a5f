"""Who ECR is to an upstream of the deployment, and what decides about it: rules, roles, policies, through boto3 and the trail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import insert
from tests.service.audit.told import event_that
from tests.service.ecr.places import PULL, PUSH, SERVICE, policy
from tests.service.sts.callers import allow, role, trust
from tests.support.server import Account, Answer, Refusal, ServerThread, admin, refusal, server, sqlite_server
from tests.support.server import postgres_backed_server as postgres_backed_server

from roadstead.access.tables import accounts
from roadstead.services.accounts.service_control import put_policy

__all__ = ["admin", "postgres_backed_server", "server", "sqlite_server"]

REGION, AWAY = "us-east-1", "eu-west-1"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
TRUST = trust({"Service": SERVICE})
ACTIONS = ["ecr:GetAuthorizationToken", *PULL, *PUSH]


def known(account: Account) -> Account:
    """The account, as one that the deployment was told to have."""
    row = {"account": account.id, "name": account.id, "created_at": datetime.now(UTC)}
    account.server.run(lambda tx: tx.execute(insert(accounts).values(**row)))
    return account


def exchange(account: Account, region: str, method: str, path: str, body: bytes = b"", **more: str) -> Answer:
    """A request to a registry of the account, as its administrator."""
    ecr = account.server.client("ecr", account.keys, region)
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    host = f"{account.id}.dkr.ecr.{region}.localhost:{account.server.port}"
    return account.server.send(method, path, {"host": host, "authorization": f"Basic {token}", **more}, body)


def url_of(account: Account, region: str) -> str:
    return f"{account.id}.dkr.ecr.{region}.amazonaws.com"


@dataclass
class Pair:
    """An account that caches, and one that has the repository `web` in another region."""

    cache: Account
    owner: Account

    @property
    def upstream(self) -> Any:
        return self.owner.server.client("ecr", self.owner.keys, AWAY)

    def rule(self, role_arn: str, **more: str) -> Any:
        request = {"ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": url_of(self.owner, AWAY), **more}
        return self.cache.ecr.create_pull_through_cache_rule(**request, customRoleArn=role_arn)

    def let_in(self, *actions: str, **more: Any) -> None:
        text = policy({"Principal": {"AWS": self.cache.id}, "Action": list(actions or PULL), **more})
        self.upstream.set_repository_policy(repositoryName="web", policyText=text)

    def pull(self, reference: str = "v1") -> Answer:
        return exchange(self.cache, REGION, "GET", f"/v2/cache/web/manifests/{reference}")

    def denial(self) -> str:
        """Why a pull is not let through: the registry and the API say the same."""
        refused = self.pull()
        assert (refused.status, refused.json["errors"][0]["code"]) == (403, "DENIED")
        message = str(refused.json["errors"][0]["message"]).removeprefix("the upstream registry refuses: ")
        answer = self.cache.ecr.batch_get_image(repositoryName="cache/web", imageIds=[{"imageTag": "v1"}])
        (failure,) = answer["failures"]
        assert (failure["failureCode"], failure["failureReason"]) == ("UpstreamAccessDenied", message)
        return message

    def validated(self) -> Any:
        return self.cache.ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="cache")


@pytest.fixture
def pair(server: ServerThread, admin: Account) -> Pair:
    owner = known(Account(server, server.new_account()))
    found = Pair(known(admin), owner)
    found.upstream.create_repository(repositoryName="web")
    config = b'{"account":"%b"}' % owner.id.encode()
    digest = f"sha256:{sha256(config).hexdigest()}"
    assert exchange(owner, AWAY, "POST", f"/v2/web/blobs/uploads/?digest={digest}", config).status == 201
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}
    body, kind = json.dumps(manifest).encode(), {"content-type": MANIFEST}
    assert exchange(owner, AWAY, "PUT", "/v2/web/manifests/v1", body, **kind).status == 201
    admin.ecr.create_repository(repositoryName="cache/web")
    return found


def test_a_rule_with_a_role(pair: Pair) -> None:
    ecr, first = pair.cache.ecr, role(pair.cache, "first", TRUST)
    made = pair.rule(first)
    assert (made["upstreamRegistry"], made["upstreamRegistryUrl"]) == ("ecr", url_of(pair.owner, AWAY))
    assert (made["customRoleArn"], made["upstreamRepositoryPrefix"]) == (first, "ROOT")
    (found,) = ecr.describe_pull_through_cache_rules()["pullThroughCacheRules"]
    assert (found["customRoleArn"], found["upstreamRegistry"]) == (first, "ecr")
    second = role(pair.cache, "second", TRUST)
    changed = ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="cache", customRoleArn=second)
    assert changed["customRoleArn"] == second
    assert pair.validated()["customRoleArn"] == second
    assert ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="cache")["customRoleArn"] == second


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        ({"customRoleArn": None}, "InvalidParameterException", "customRoleArn"),
        ({"customRoleArn": "arn:aws:iam::{owner}:role/r"}, "InvalidParameterException", "customRoleArn"),
        ({"customRoleArn": "arn:aws:iam::{cache}:user/r"}, "InvalidParameterException", "customRoleArn"),
        ({"customRoleArn": "role"}, "InvalidParameterException", "customRoleArn"),
        ({"upstreamRegistryUrl": "quay.io"}, "InvalidParameterException", "customRoleArn"),
        ({"upstreamRegistryUrl": "{own}"}, "InvalidParameterException", "upstreamRegistryUrl"),
        (
            {"upstreamRegistryUrl": "444455556666.dkr.ecr.eu-west-1.amazonaws.com"},
            "UnsupportedUpstreamRegistryException",
            "444455556666",
        ),
        ({"upstreamRegistry": "quay"}, "UnsupportedUpstreamRegistryException", "quay"),
        (
            {"ecrRepositoryPrefix": "ROOT", "upstreamRepositoryPrefix": "team"},
            "InvalidParameterException",
            "upstreamRepositoryPrefix",
        ),
        (
            {"credentialArn": "arn:aws:secretsmanager:us-east-1:{cache}:secret:ecr-pullthroughcache/hub-AbCdEf"},
            "InvalidParameterException",
            "credentialArn",
        ),
    ],
)
def test_what_is_refused(pair: Pair, request_: Mapping[str, str | None], code: str, said: str) -> None:
    names = {"owner": pair.owner.id, "cache": pair.cache.id, "own": url_of(pair.cache, REGION)}
    whole: dict[str, str | None] = {
        "ecrRepositoryPrefix": "cache",
        "upstreamRegistryUrl": url_of(pair.owner, AWAY),
        "customRoleArn": "arn:aws:iam::{cache}:role/r",
        **request_,
    }
    given = {name: text.format(**names) for name, text in whole.items() if text is not None}
    found = refusal(pair.cache.ecr.create_pull_through_cache_rule, **given)
    assert (found.code, found.status, said in found.message) == (code, 400, True)


def test_the_role_has_to_be_passed(pair: Pair) -> None:
    arn = role(pair.cache, "r", TRUST)
    rules = allow(["ecr:CreatePullThroughCacheRule", "ecr:UpdatePullThroughCacheRule"])
    passing = allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": SERVICE}})
    without = pair.cache.server.client("ecr", pair.cache.user("without", rules))
    with_it = pair.cache.server.client("ecr", pair.cache.user("with", rules, passing))
    request = {"ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": url_of(pair.owner, AWAY), "customRoleArn": arn}
    refused = refusal(without.create_pull_through_cache_rule, **request)
    assert (refused.code, "iam:PassRole" in refused.message) == ("AccessDeniedException", True)
    with_it.create_pull_through_cache_rule(**request)
    update = {"ecrRepositoryPrefix": "cache", "customRoleArn": arn}
    assert refusal(without.update_pull_through_cache_rule, **update).code == "AccessDeniedException"
    assert with_it.update_pull_through_cache_rule(**update)["customRoleArn"] == arn


def test_within_an_account_it_is_the_service_linked_role(pair: Pair) -> None:
    """The first rule makes it, for whom may make it; no policy of the repository has to name it."""
    owner, request = pair.owner, {"ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": url_of(pair.owner, AWAY)}
    rules = allow("ecr:CreatePullThroughCacheRule")
    without = owner.server.client("ecr", owner.user("without", rules))
    refused: Refusal = refusal(without.create_pull_through_cache_rule, **request)
    assert (refused.code, "iam:CreateServiceLinkedRole" in refused.message) == ("AccessDeniedException", True)
    linking = allow("iam:CreateServiceLinkedRole", Condition={"StringEquals": {"iam:AWSServiceName": SERVICE}})
    with_it = owner.server.client("ecr", owner.user("with", rules, linking))
    with_it.create_pull_through_cache_rule(**request)
    without.create_pull_through_cache_rule(**{**request, "ecrRepositoryPrefix": "more"})
    assert owner.ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="cache")["isValid"]
    assert exchange(owner, REGION, "GET", "/v2/cache/web/manifests/v1").status == 200
    name = "AWSServiceRoleForECRPullThroughCache"
    assert owner.iam.get_role(RoleName=name)["Role"]["Path"] == f"/aws-service-role/{SERVICE}/"
    owner.iam.delete_service_linked_role(RoleName=name)
    validated = owner.ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="cache")
    assert (validated["isValid"], "there is no role" in validated["failure"]) == (False, True)
    assert exchange(owner, REGION, "GET", "/v2/cache/web/manifests/v2").status == 403


def test_the_trust_policy_decides(pair: Pair) -> None:
    pair.let_in()
    arn = role(pair.cache, "r", trust({"Service": "ecr.amazonaws.com"}))
    pair.rule(arn)
    assert "does not let pullthroughcache.ecr.amazonaws.com assume it" in pair.denial()
    validated = pair.validated()
    assert (validated["isValid"], "trust policy" in validated["failure"]) == (False, True)
    for account in (pair.owner.id, pair.cache.id):
        trusted = trust({"Service": SERVICE}, condition={"StringEquals": {"aws:SourceAccount": account}})
        pair.cache.iam.update_assume_role_policy(RoleName="r", PolicyDocument=json.dumps(_document(trusted)))
        assert pair.validated()["isValid"] == (account == pair.cache.id)
    assert pair.pull().status == 200
    pair.cache.iam.delete_role_policy(RoleName="r", PolicyName="p")
    pair.cache.iam.delete_role(RoleName="r")
    assert "there is no role" in pair.validated()["failure"]
    assert pair.pull().status == 200, "what is held"
    assert pair.pull("v2").status == 403


def _document(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_the_upstreams_policies_decide(pair: Pair) -> None:
    pair.rule(role(pair.cache, "r", TRUST))
    assert pair.validated()["isValid"]
    assert "no resource-based policy allows the ecr:BatchGetImage action" in pair.denial()
    pair.let_in("ecr:BatchGetImage")
    assert "no resource-based policy allows the ecr:BatchImportUpstreamImage action" in pair.denial()
    pair.let_in("ecr:BatchGetImage", "ecr:BatchImportUpstreamImage")
    assert "no resource-based policy allows the ecr:GetDownloadUrlForLayer action" in pair.denial()
    pair.upstream.delete_repository_policy(repositoryName="web")
    arn = f"arn:aws:ecr:{AWAY}:{pair.owner.id}:repository/web"
    letting = {"Sid": "in", "Principal": {"AWS": pair.cache.id}, "Action": PULL, "Resource": arn}
    denying = {**letting, "Sid": "out", "Effect": "Deny", "Principal": {"AWS": "*"}}
    pair.upstream.put_registry_policy(policyText=policy(letting, denying))
    assert "with an explicit deny in a resource-based policy" in pair.denial()
    pair.upstream.put_registry_policy(policyText=policy(letting))
    assert pair.pull().status == 200


@pytest.mark.parametrize("missing", ACTIONS)
def test_the_role_needs_each_action_that_aws_documents(pair: Pair, missing: str) -> None:
    pair.let_in()
    pair.rule(role(pair.cache, "r", TRUST, allowed=allow([each for each in ACTIONS if each != missing])))
    assert f"no identity-based policy allows the {missing} action" in pair.denial()
    if missing == "ecr:GetAuthorizationToken":
        assert missing in pair.validated()["failure"]
    document = json.dumps(_document(allow(ACTIONS)))
    pair.cache.iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=document)
    assert pair.pull().status == 200


def test_service_control_policies_limit_the_role(pair: Pair) -> None:
    pair.let_in()
    pair.rule(role(pair.cache, "r", TRUST))
    denying = {"Sid": "No", "Effect": "Deny", "Action": "ecr:BatchGetImage", "Resource": f"arn:aws:ecr:{AWAY}:*:*"}
    for name, statement in (("Full", allow("*")), ("NoImages", denying)):
        text = json.dumps(_document(statement))
        pair.cache.server.run(lambda tx, name=name, text=text: put_policy(tx, pair.cache.id, name, text))
    assert "with an explicit deny in a service control policy" in pair.denial()


def test_the_trail_tells_whom_the_upstream_was_asked_by(pair: Pair) -> None:
    pair.let_in("ecr:BatchGetImage", "ecr:BatchImportUpstreamImage")
    pair.rule(role(pair.cache, "r", TRUST))
    session = f"arn:aws:sts::{pair.cache.id}:assumed-role/r/ecr-pull-through-cache"
    arn = f"arn:aws:ecr:{AWAY}:{pair.owner.id}:repository/web"

    def told(name: str, *, failed: bool) -> Any:
        def fits(event: Any) -> bool:
            by = event["userIdentity"].get("arn") == session
            return by and event["eventName"] == name and bool(event.get("errorCode")) == failed

        return event_that(pair.cache.server, fits)

    pair.denial()
    asked = told("BatchGetImage", failed=False)
    assert (asked["sourceIPAddress"], asked["awsRegion"]) == (SERVICE, AWAY)
    assert asked["requestParameters"]["imageIds"] == [{"imageTag": "v1"}]
    assert asked["resources"] == [{"ARN": arn, "accountId": pair.owner.id, "type": "AWS::ECR::Repository"}]
    assert asked["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] == "r"
    denied = told("GetDownloadUrlForLayer", failed=True)
    assert (denied["errorCode"], "ecr:GetDownloadUrlForLayer" in denied["errorMessage"]) == ("AccessDenied", True)
    pair.let_in()
    assert pair.pull().status == 200
    decisions = told("GetDownloadUrlForLayer", failed=False)["additionalEventData"]["authorization"]
    assert {each["decision"] for each in decisions} == {"allowed"}
    own = f"arn:aws:ecr:{REGION}:{pair.cache.id}:repository/cache/web"
    assert {(each["action"], each["resource"]) for each in decisions} == {
        ("ecr:GetDownloadUrlForLayer", arn),
        *((action, own) for action in PUSH),
    }
