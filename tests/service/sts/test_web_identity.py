"""AssumeRoleWithWebIdentity: what tokens of identity providers open, and what they don't."""

from __future__ import annotations

import time
from typing import Any

import boto3
import pytest
from tests.service.sts.callers import allow, assume, client, policy, role, session_keys, trust
from tests.service.sts.federation import Federation, federation
from tests.support.issuer import AUDIENCE, SUBJECT, Issuer, rsa_key
from tests.support.server import Account, refusal

from roadstead.kernel.ids import hex_id


def test_a_token_opens_a_role(pods: Federation):
    name = pods.issuer.name
    condition = {"StringEquals": {f"{name}:sub": SUBJECT, f"{name}:aud": AUDIENCE}}
    arn = pods.role(condition=condition)
    answer = pods.assume(arn, pods.issuer.token(), DurationSeconds=900)
    assert answer["SubjectFromWebIdentityToken"] == SUBJECT
    assert answer["Audience"] == AUDIENCE
    assert answer["Provider"] == pods.provider
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{pods.account.id}:assumed-role/pod/pod"
    keys = session_keys(pods.account.id, answer)
    client(pods.account, "iam", keys).list_users()
    other = pods.refused(arn, pods.issuer.token(sub="system:serviceaccount:default:other"))
    assert (other.code, other.status) == ("AccessDenied", 403)
    assert other.message == "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    missing = pods.refused(arn.replace("role/pod", "role/none"), pods.issuer.token())
    assert missing == other, "not told apart from a role that trusts others"


def test_a_session_knows_its_provider(pods: Federation):
    name = pods.issuer.name
    condition = {
        "StringEquals": {"aws:FederatedProvider": pods.provider, f"{name}:sub": SUBJECT, f"{name}:aud": AUDIENCE}
    }
    arn = pods.role(allowed=allow("iam:ListUsers", Condition=condition))
    keys = session_keys(pods.account.id, pods.assume(arn, pods.issuer.token()))
    client(pods.account, "iam", keys).list_users()
    plain = role(pods.account, "plain", trust(pods.account.id), allowed=allow("iam:ListUsers", Condition=condition))
    keys = assume(pods.account, pods.account.keys, plain)
    assert refusal(client(pods.account, "iam", keys).list_users).code == "AccessDenied"


def test_a_role_that_trusts_users_does_not_trust_tokens(pods: Federation):
    by_user = role(pods.account, "by-user", trust(pods.account.id))
    assert pods.refused(by_user, pods.issuer.token()).code == "AccessDenied"
    wrong_action = role(pods.account, "wrong", trust(pods.principal(), "sts:AssumeRole"))
    assert pods.refused(wrong_action, pods.issuer.token()).code == "AccessDenied"


@pytest.mark.parametrize(
    ("claims", "code", "says"),
    [
        ({"aud": "another"}, "InvalidIdentityToken", "Incorrect token audience"),
        ({"aud": ["another", "one more"]}, "InvalidIdentityToken", "Incorrect token audience"),
        ({"azp": "another"}, "InvalidIdentityToken", "Incorrect token audience"),
        ({"aud": None}, "InvalidIdentityToken", "Missing a required claim: aud"),
        ({"sub": None}, "InvalidIdentityToken", "Missing a required claim: sub"),
        ({"iat": None}, "InvalidIdentityToken", "Missing a required claim: iat"),
        ({"exp": None}, "InvalidIdentityToken", "Missing a required claim: exp"),
        ({"iss": None}, "InvalidIdentityToken", "Missing a required claim: iss"),
        ({"exp": 1000000000}, "ExpiredTokenException", "Token expired: current date/time"),
        ({"exp": "never"}, "InvalidIdentityToken", "The exp claim is no number of seconds"),
        ({"iat": 9999999999}, "InvalidIdentityToken", "Token issued in the future"),
        ({"nbf": 9999999999}, "InvalidIdentityToken", "Token is not valid yet"),
        ({"sub": "x" * 256}, "InvalidIdentityToken", "The sub claim must have"),
        ({"https://aws.amazon.com/tags": "x"}, "InvalidIdentityToken", "session tags of the token are malformed"),
    ],
)
def test_claims_that_are_not_acceptable(
    sqlite_admin: Account, running: Issuer, claims: dict[str, Any], code: str, says: str
):
    pods = federation(sqlite_admin, running)
    found = pods.refused(pods.role(), running.token(**claims))
    assert (found.code, found.status) == (code, 400)
    assert says in found.message


def test_clocks_may_differ_by_five_minutes(sqlite_admin: Account, running: Issuer):
    pods = federation(sqlite_admin, running)
    arn, now = pods.role(), int(time.time())
    pods.assume(arn, running.token(exp=now - 200, iat=now - 900))
    pods.assume(arn, running.token(iat=now + 200, nbf=now + 200, exp=now + 900))
    assert pods.refused(arn, running.token(exp=now - 400, iat=now - 900)).code == "ExpiredTokenException"


def test_no_provider_no_session(pods: Federation):
    arn = pods.role()
    pods.account.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=pods.provider)
    found = pods.refused(arn, pods.issuer.token())
    assert (found.code, found.message) == (
        "InvalidIdentityToken",
        f"No OpenIDConnect provider found in your account for {pods.issuer.url}",
    )
    other = Account(pods.account.server, pods.account.server.new_account())
    federation(other, pods.issuer)
    assert pods.refused(arn, pods.issuer.token()).code == "InvalidIdentityToken", (
        "another account's counts for that one"
    )
    assert pods.refused(arn, pods.issuer.token(iss=pods.issuer.url.replace("http:", "https:"))).code == found.code


def test_audiences(pods: Federation):
    name = pods.issuer.name
    arn = pods.role(condition={"StringEquals": {f"{name}:aud": AUDIENCE}})
    pods.assume(arn, pods.issuer.token(aud=[AUDIENCE, "other"]))
    answer = pods.assume(arn, pods.issuer.token(aud="other", azp=AUDIENCE))
    assert answer["Audience"] == AUDIENCE
    by_original = pods.role("by-original", {"StringEquals": {f"{name}:oaud": "other"}})
    pods.assume(by_original, pods.issuer.token(aud="other", azp=AUDIENCE))
    pods.account.iam.remove_client_id_from_open_id_connect_provider(
        OpenIDConnectProviderArn=pods.provider, ClientID=AUDIENCE
    )
    assert pods.refused(arn, pods.issuer.token()).message == "Incorrect token audience"


def test_methods_of_authentication_are_a_list(pods: Federation):
    condition = {"ForAnyValue:StringEquals": {f"{pods.issuer.name}:amr": "mfa"}}
    arn = pods.role(condition=condition)
    pods.assume(arn, pods.issuer.token(amr=["pwd", "mfa"]))
    assert pods.refused(arn, pods.issuer.token(amr=["pwd"])).code == "AccessDenied"
    assert pods.refused(arn, pods.issuer.token()).code == "AccessDenied"


def test_tags_and_source_identity_of_a_token(pods: Federation):
    claims: dict[str, Any] = {
        "https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]},
        "https://aws.amazon.com/tags/principal_tags/shift": "night",
        "https://aws.amazon.com/source_identity": "ann",
    }
    token = pods.issuer.token(**claims)
    plain = pods.role("plain")
    found = pods.refused(plain, token)
    assert found.message == "Not authorized to perform sts:TagSession"
    condition = {"StringEquals": {"aws:RequestTag/team": "red", "sts:SourceIdentity": "ann"}}
    tagged = allow(
        ["iam:ListUsers", "sts:*"],
        Condition={"StringEquals": {"aws:PrincipalTag/shift": "night", "aws:SourceIdentity": "ann"}},
    )
    arn = pods.role("tagged", condition, "sts:TagSession", "sts:SetSourceIdentity", allowed=tagged)
    answer = pods.assume(arn, token)
    assert answer["SourceIdentity"] == "ann"
    keys = session_keys(pods.account.id, answer)
    client(pods.account, "iam", keys).list_users()
    chained = trust(
        pods.account.id,
        "sts:AssumeRole",
        "sts:TagSession",
        "sts:SetSourceIdentity",
        condition={"StringEquals": {"aws:RequestTag/team": "red"}},
    )
    assume(pods.account, keys, role(pods.account, "next", chained))


def test_session_policies_and_durations(pods: Federation):
    arn = pods.role(MaxSessionDuration=7200)
    answer = pods.assume(arn, pods.issuer.token(), Policy=policy(allow("logs:*")), DurationSeconds=7200)
    keys = session_keys(pods.account.id, answer)
    client(pods.account, "logs", keys).describe_log_groups()
    assert "no session policy" in refusal(client(pods.account, "iam", keys).list_users).message
    assert pods.refused(arn, pods.issuer.token(), DurationSeconds=7201).code == "ValidationError"


def test_a_signature_makes_no_difference(pods: Federation):
    """SDKs may sign although they need not, with keys that nobody knows."""
    arn = pods.role()
    signing = boto3.client(
        "sts",
        endpoint_url=f"http://127.0.0.1:{pods.account.server.port}",
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="x",
    )
    signing.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="pod", WebIdentityToken=pods.issuer.token())
    server = pods.account.server
    body = (
        f"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=pod&RoleArn={arn}"
        f"&WebIdentityToken={pods.issuer.token()}"
    ).encode()
    kind = {"content-type": "application/x-www-form-urlencoded", "host": f"127.0.0.1:{server.port}"}
    assert server.send("POST", "/", kind, body).status == 200
    signed = server.signed(pods.account.keys, "sts", kind, body)
    signed["authorization"] = signed.pop("Authorization", signed.get("authorization", ""))[:-4] + "0000"
    assert server.send("POST", "/", signed, body).status == 200


@pytest.mark.parametrize("operation", ["AssumeRoleWithSAML", "AssumeRoot", "GetDelegatedAccessToken"])
def test_what_is_not_built_is_refused_by_name(sqlite_admin: Account, operation: str):
    server = sqlite_admin.server
    body = f"Action={operation}&Version=2011-06-15".encode()
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = server.send("POST", "/", server.signed(sqlite_admin.keys, "sts", kind, body), body)
    assert (answer.status, f"sts:{operation} is not implemented" in answer.text) == (501, True)
    unsigned = server.send("POST", "/", {**kind, "host": "sts.us-east-1.amazonaws.com"}, body)
    assert unsigned.status == (501 if operation == "AssumeRoleWithSAML" else 403)


def test_tokens_of_oauth_are_refused_by_name(sqlite_admin: Account, running: Issuer):
    pods = federation(sqlite_admin, running)
    found = pods.refused(pods.role(), "an access token", ProviderId="www.amazon.com")
    assert (found.code, found.status) == ("NotImplemented", 501)
    assert "ProviderId" in found.message


def test_revoking_reaches_sessions_of_tokens_too(pods: Federation):
    arn = pods.role()
    keys = session_keys(pods.account.id, pods.assume(arn, pods.issuer.token()))
    iam = client(pods.account, "iam", keys)
    iam.list_users()
    pods.account.iam.put_role_policy(
        RoleName="pod",
        PolicyName="AWSRevokeOlderSessions",
        PolicyDocument=policy(
            {
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2099-01-01T00:00:00Z"}},
            }
        ),
    )
    assert refusal(iam.list_users).code == "AccessDenied"


def test_a_name_that_is_not_there(sqlite_admin: Account):
    pods = federation(sqlite_admin, Issuer(f"https://{hex_id(8)}.invalid", [rsa_key()]), ThumbprintList=["a" * 40])
    assert pods.refused(pods.role(), pods.issuer.token()).code == "IDPCommunicationError"
