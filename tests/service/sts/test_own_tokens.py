"""GetWebIdentityToken: who a caller is, signed for others, who verify it with what is published."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.service.sts.callers import allow, assume, client, role, session_keys, trust
from tests.support.server import Account, Keys, refusal

NAMESPACE = "https://sts.amazonaws.com/"
AUDIENCE = "https://api.example.com"


def fetched(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["content-type"] == "application/json"
        return json.loads(answer.read())


def verified(token: str, issuer: str) -> Any:
    """The claims of a token, verified as somebody would who knows the issuer only."""
    discovery = fetched(f"{issuer}/.well-known/openid-configuration")
    assert discovery["issuer"] == issuer
    keys = KeySet.import_key_set(fetched(discovery["jwks_uri"]))
    return jwt.decode(token, keys, algorithms=discovery["id_token_signing_alg_values_supported"]).claims


def token(account: Account, keys: Keys | None = None, **more: Any) -> str:
    asked = {"Audience": [AUDIENCE], "SigningAlgorithm": "ES384", **more}
    return client(account, "sts", keys or account.keys).get_web_identity_token(**asked)["WebIdentityToken"]


@pytest.fixture
def vending(admin: Account) -> tuple[Account, str]:
    """An account that vends tokens, and its issuer."""
    return admin, admin.iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]


def test_the_feature_is_enabled_and_disabled(admin: Account):
    iam = admin.iam
    found = refusal(iam.get_outbound_web_identity_federation_info)
    assert (found.code, found.status) == ("FeatureDisabled", 404)
    assert refusal(iam.disable_outbound_web_identity_federation).code == "FeatureDisabled"
    disabled = refusal(admin.sts.get_web_identity_token, Audience=["x"], SigningAlgorithm="RS256")
    assert (disabled.code, disabled.status) == ("OutboundWebIdentityFederationDisabledException", 403)
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    again = refusal(iam.enable_outbound_web_identity_federation)
    assert (again.code, again.status) == ("FeatureEnabled", 409)
    info = iam.get_outbound_web_identity_federation_info()
    assert (info["IssuerIdentifier"], info["JwtVendingEnabled"]) == (issuer, True)
    old = token(admin)
    iam.disable_outbound_web_identity_federation()
    assert iam.get_outbound_web_identity_federation_info()["JwtVendingEnabled"] is False
    assert refusal(token, account=admin).code == "OutboundWebIdentityFederationDisabledException"
    verified(old, issuer)
    assert iam.enable_outbound_web_identity_federation()["IssuerIdentifier"] == issuer


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_a_users_token(vending: tuple[Account, str], algorithm: str):
    admin, issuer = vending
    bob = admin.user("bob", allow("sts:*"))
    admin.iam.tag_user(UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
    now = time.time()
    text = token(admin, bob, SigningAlgorithm=algorithm, Tags=[{"Key": "job", "Value": "1"}], DurationSeconds=60)
    claims = verified(text, issuer)
    assert (claims["iss"], claims["aud"]) == (issuer, AUDIENCE)
    assert claims["sub"] == f"arn:aws:iam::{admin.id}:user/bob"
    assert claims["exp"] - claims["iat"] == 60
    assert abs(claims["iat"] - now) < 10
    assert claims[NAMESPACE] == {
        "aws_account": admin.id,
        "source_region": "us-east-1",
        "principal_tags": {"team": "red"},
        "request_tags": {"job": "1"},
    }
    assert verified(token(admin, bob, Audience=["a", "b"]), issuer)["aud"] == ["a", "b"]


def test_a_sessions_token(vending: tuple[Account, str]):
    admin, issuer = vending
    trusted = trust(admin.id, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
    arn = role(admin, "web", trusted, Tags=[{"Key": "Team", "Value": "blue"}, {"Key": "env", "Value": "prod"}])
    keys = assume(
        admin, admin.keys, arn, SourceIdentity="ann", Tags=[{"Key": "team", "Value": "red"}], DurationSeconds=900
    )
    claims = verified(token(admin, keys), issuer)
    assert claims["sub"] == arn
    context = claims[NAMESPACE]
    assert context["principal_tags"] == {"team": "red", "env": "prod"}
    assert context["source_identity"] == "ann"
    assert context["original_session_exp"].endswith("Z")
    found = refusal(token, account=admin, keys=keys, DurationSeconds=3600)
    assert (found.code, found.status) == ("SessionDurationEscalationException", 403)


def test_policies_decide_who_gets_which_token(vending: tuple[Account, str]):
    admin, _ = vending
    condition = {
        "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": AUDIENCE},
        "StringEquals": {"sts:SigningAlgorithm": "ES384"},
        "NumericLessThanEquals": {"sts:DurationSeconds": "300"},
    }
    bob = admin.user("bob", allow("sts:GetWebIdentityToken", Condition=condition))
    token(admin, bob)
    for more in ({"Audience": ["other"]}, {"SigningAlgorithm": "RS256"}, {"DurationSeconds": 301}):
        found = refusal(token, account=admin, keys=bob, **more)
        assert (found.code, found.status) == ("AccessDenied", 403)
    tagged = refusal(token, account=admin, keys=bob, Tags=[{"Key": "a", "Value": "b"}])
    assert "sts:TagGetWebIdentityToken" in tagged.message


def test_tokens_that_can_not_be(vending: tuple[Account, str]):
    admin, _ = vending
    assert refusal(token, account=admin, SigningAlgorithm="HS256").code == "ValidationError"
    tags = [{"Key": f"{n:03}" + "k" * 100, "Value": "v" * 200} for n in range(50)]
    assert refusal(token, account=admin, Tags=tags).code == "JWTPayloadSizeExceededException"


def test_a_token_of_ours_opens_a_role_of_another_account(vending: tuple[Account, str]):
    admin, issuer = vending
    other = Account(admin.server, admin.server.new_account())
    provider = other.iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[AUDIENCE])
    arn = provider["OpenIDConnectProviderArn"]
    name = issuer.partition("://")[2]
    condition = {"StringEquals": {f"{name}:sub": f"arn:aws:iam::{admin.id}:user/admin"}}
    opened = role(other, "guest", trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity", condition=condition))
    sts = boto3.client(
        "sts",
        endpoint_url=f"http://127.0.0.1:{admin.server.port}",
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    answer = sts.assume_role_with_web_identity(RoleArn=opened, RoleSessionName="guest", WebIdentityToken=token(admin))
    client(other, "iam", session_keys(other.id, answer)).list_users()
    assert answer["SubjectFromWebIdentityToken"].endswith(":user/admin")


def test_issuers_that_are_not(sqlite_admin: Account):
    server = sqlite_admin.server
    issuer = sqlite_admin.iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    path = "/" + issuer.split("/", 3)[3]
    for wrong in (
        f"{path}x/.well-known/openid-configuration",
        f"{path}/.well-known/other",
        f"{path}/",
        "/_roadstead/issuers/",
    ):
        assert server.send("GET", wrong, {}).status == 404
    good = f"{path}/.well-known/jwks.json"
    assert server.send("POST", good, {}).status == 404
    keys = server.send("GET", good, {}).json["keys"]
    assert all(not {"d", "p", "q"} & set(key) for key in keys), "no private half is published"
