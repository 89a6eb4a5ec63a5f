"""AssumeRoleWithWebIdentity: tokens of identity providers, good ones and all kinds of bad ones."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from tests.service.sts.callers import allow, assume, client, policy, role, session_keys, trust
from tests.support.issuer import AUDIENCE, SUBJECT, Certificates, Issuer, certificates, ec_key, issuer, rsa_key
from tests.support.server import Account, Refusal, refusal

from roadstead.kernel.ids import hex_id

NO_KEY = "Couldn't retrieve verification key from your identity provider"


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    """A provider for all tests that leave it as it is."""
    with issuer() as found:
        yield found


@dataclass
class Federation:
    """An account that trusts a provider, and a client that signs nothing."""

    account: Account
    issuer: Issuer
    provider: str
    sts: Any

    def principal(self) -> dict[str, str]:
        return {"Federated": self.provider}

    def trusted(self, condition: dict[str, Any] | None = None, *actions: str) -> dict[str, Any]:
        return trust(self.principal(), "sts:AssumeRoleWithWebIdentity", *actions, condition=condition)

    def role(self, name: str = "pod", condition: dict[str, Any] | None = None, *actions: str, **more: Any) -> str:
        return role(self.account, name, self.trusted(condition, *actions), **more)

    def assume(self, arn: str, token: str, **more: Any) -> Any:
        return self.sts.assume_role_with_web_identity(
            RoleArn=arn, RoleSessionName="pod", WebIdentityToken=token, **more
        )

    def refused(self, arn: str, token: str, **more: Any) -> Refusal:
        return refusal(self.assume, arn=arn, token=token, **more)


def federation(account: Account, provider: Issuer, **more: Any) -> Federation:
    given = {"ClientIDList": [AUDIENCE], **more}
    made = account.iam.create_open_id_connect_provider(Url=provider.url, **given)
    sts = boto3.client(
        "sts",
        endpoint_url=f"http://127.0.0.1:{account.server.port}",
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )
    return Federation(account, provider, made["OpenIDConnectProviderArn"], sts)


@pytest.fixture
def pods(admin: Account, running: Issuer) -> Federation:
    return federation(admin, running)


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


def _forged(text: str, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    parts = text.split(".")

    def encoded(part: str, more: dict[str, Any]) -> str:
        read = json.loads(base64.urlsafe_b64decode(part + "=="))
        return base64.urlsafe_b64encode(json.dumps({**read, **more}).encode()).decode().rstrip("=")

    return ".".join([encoded(parts[0], header or {}), encoded(parts[1], claims or {}), parts[2]])


def test_tokens_that_are_forged(sqlite_admin: Account, running: Issuer):
    pods = federation(sqlite_admin, running)
    arn, good, thief = pods.role(), running.token(), rsa_key()
    thief_token = running.token(key=thief)
    kid = running.keys[0].kid
    for text, says in (
        (_forged(good, claims={"sub": "root"}), "signature"),
        (good[:-8] + "AAAAAAAA", "signature"),
        (_forged(thief_token, header={"kid": kid}), "signature"),
        (thief_token, NO_KEY),
        (_forged(good, header={"alg": "none"}), "not a valid JWT"),
        (_forged(good, header={"alg": "HS256"}), "not a valid JWT"),
        (_forged(good, header={"alg": "ES256"}), NO_KEY),
        (_forged(good, header={"crit": ["exp"]}), "not a valid JWT"),
        (good.rpartition(".")[0] + ".", "signature"),
        ("x" * 40, "not a valid JWT"),
        ("e30.e30.e30", "not a valid JWT"),
        ("[" * 9000 + "." + "[" * 9000 + ".x", "not a valid JWT"),
        ("é" * 20, "not a valid JWT"),
    ):
        found = pods.refused(arn, text)
        assert (found.code, found.status) == ("InvalidIdentityToken", 400), text
        assert says in found.message, text
    assert refusal(pods.assume, arn=arn, token="x" * 20001).code == "ValidationError"


def test_a_symmetric_signature_with_the_public_key_is_no_signature(sqlite_admin: Account, running: Issuer):
    """The old trick: the verifier takes the provider's public key for a shared secret."""
    pods = federation(sqlite_admin, running)
    parts = _forged(running.token(), header={"alg": "HS256"}).rpartition(".")[0]
    mac = hmac.digest(running.keys[0].as_pem(private=False), parts.encode(), "sha256")
    forged = f"{parts}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    assert pods.refused(pods.role(), forged).code == "InvalidIdentityToken"


@pytest.mark.parametrize(("alg", "curve"), [("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521"), ("RS512", "")])
def test_every_algorithm(sqlite_admin: Account, alg: str, curve: str):
    with issuer() as provider:
        if curve:
            provider.keys.append(ec_key(curve))
        pods = federation(sqlite_admin, provider)
        pods.assume(pods.role(), provider.token(key=provider.keys[-1], alg=alg))


def test_a_weak_key_signs_nothing(sqlite_admin: Account):
    with issuer() as provider:
        provider.keys = [rsa_key(1024)]
        pods = federation(sqlite_admin, provider)
        assert pods.refused(pods.role(), provider.token()).code == "InvalidIdentityToken"


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


def test_a_key_is_rotated(sqlite_admin: Account):
    with issuer() as provider:
        pods = federation(sqlite_admin, provider)
        arn, old = pods.role(), provider.keys[0]
        pods.assume(arn, provider.token())
        provider.keys = [rsa_key(), old]
        pods.assume(arn, provider.token(key=old))
        first = provider.count("/keys")
        found = pods.refused(arn, provider.token())
        assert NO_KEY in found.message, "asked a moment ago: unknown keys don't make a provider be asked each time"
        assert provider.count("/keys") == first
    assert first == 1


def test_keys_are_asked_for_once(sqlite_admin: Account):
    with issuer() as provider:
        pods = federation(sqlite_admin, provider)
        arn = pods.role()
        for _ in range(5):
            pods.assume(arn, provider.token())
        assert provider.count("/keys") == provider.count("/openid-configuration") == 1


def test_a_provider_that_is_away(sqlite_admin: Account):
    with issuer() as provider:
        pods = federation(sqlite_admin, provider)
        arn, token = pods.role(), provider.token()
        provider.status = 503
        assert pods.refused(arn, token).code == "IDPCommunicationError"
        provider.status = 200
        pods.assume(arn, token)
    pods.assume(arn, token)
    other = Account(sqlite_admin.server, sqlite_admin.server.new_account())
    gone = federation(other, provider, ThumbprintList=["a" * 40])
    found = gone.refused(gone.role(), token)
    assert (found.code, found.status) == ("IDPCommunicationError", 400)


def test_a_provider_that_answers_nonsense(sqlite_admin: Account):
    with issuer() as provider:
        pods = federation(sqlite_admin, provider)
        arn, token, path = pods.role(), provider.token(), provider.path
        discovery, keys = f"{path}/.well-known/openid-configuration", f"{path}/keys"
        many = [{**provider.jwks()["keys"][0], "kid": str(n)} for n in range(101)]
        for where, document in (
            (discovery, b"no json"),
            (discovery, b"{}"),
            (discovery, b"[" * 60000),
            (
                discovery,
                json.dumps({"issuer": "https://else.example.com", "jwks_uri": f"{provider.url}/keys"}).encode(),
            ),
            (discovery, json.dumps({"issuer": provider.url, "jwks_uri": "file:///etc/passwd"}).encode()),
            (discovery, json.dumps({"issuer": provider.url, "jwks_uri": "http://example.com/keys"}).encode()),
            (discovery, b" " * (64 * 1024 + 1)),
            (keys, b"no json"),
            (keys, b'{"keys": 1}'),
            (keys, json.dumps({"keys": many}).encode()),
            (keys, b'{"keys": [' + b" " * (512 * 1024) + b"]}"),
        ):
            provider.documents = {where: document}
            found = pods.refused(arn, token)
            assert (found.code, found.status) == ("InvalidIdentityToken", 400), document[:60]
            assert NO_KEY in found.message
        provider.documents = {}
        provider.status = 302
        assert NO_KEY in pods.refused(arn, token).message, "redirects are not followed"
        assert provider.count("/elsewhere") == 0
        provider.status = 200
        pods.assume(arn, token)
        provider.documents = {keys: b'{"keys": [{"kty": "RSA"}, {"kty": "oct", "k": "eA"}, {}]}'}
        other = federation(
            Account(sqlite_admin.server, sqlite_admin.server.new_account()), provider, ThumbprintList=["a" * 40]
        )
        assert NO_KEY in other.refused(other.role(), token).message


@pytest.fixture(scope="module")
def own_authority(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("which", ["intermediate", "host"])
def test_a_certificate_of_ones_own_authority(sqlite_admin: Account, own_authority: Certificates, which: str):
    thumbprint = own_authority.thumbprint if which == "intermediate" else own_authority.leaf_thumbprint
    with issuer(tls=own_authority) as provider:
        pods = federation(sqlite_admin, provider, ThumbprintList=["a" * 40, thumbprint.upper()])
        pods.assume(pods.role(), provider.token())


def test_a_certificate_that_nobody_vouches_for(sqlite_admin: Account, own_authority: Certificates, tmp_path: Path):
    with issuer(tls=own_authority) as provider:
        pods = federation(sqlite_admin, provider, ThumbprintList=["a" * 40])
        arn, token = pods.role(), provider.token()
        found = pods.refused(arn, token)
        assert found.code == "InvalidIdentityToken"
        assert found.message == "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
        pods.account.iam.update_open_id_connect_provider_thumbprint(
            OpenIDConnectProviderArn=pods.provider, ThumbprintList=[own_authority.thumbprint]
        )
        pods.assume(arn, token)
        pods.account.iam.update_open_id_connect_provider_thumbprint(
            OpenIDConnectProviderArn=pods.provider, ThumbprintList=["b" * 40]
        )
        assert pods.refused(arn, token).code == "InvalidIdentityToken", "keys go with the thumbprint that they came by"
    elsewhere = certificates(tmp_path, "192.0.2.1")
    with issuer(tls=elsewhere) as provider:
        other = Account(sqlite_admin.server, sqlite_admin.server.new_account())
        pods = federation(other, provider, ThumbprintList=[elsewhere.thumbprint])
        found = pods.refused(pods.role(), provider.token())
        assert "HTTPS certificate" in found.message, "a thumbprint does not make another host's certificate good"


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
