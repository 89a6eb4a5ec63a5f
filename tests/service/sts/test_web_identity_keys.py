"""The keys that tokens of identity providers are signed with: good ones, forged ones, rotated ones, and providers that do not tell theirs."""

from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from tests.service.sts.federation import NO_KEY, federation
from tests.support.issuer import Certificates, Issuer, certificates, ec_key, issuer, rsa_key
from tests.support.server import Account, refusal


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
