"""OpenID Connect identity providers of an account."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.issuer import certificates, issuer
from tests.support.server import Account, refusal

THUMBPRINT = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"
URL = "https://oidc.example.com/id/ABC"


def create(account: Account, url: str = URL, **more: object) -> str:
    given = {"ClientIDList": ["sts.amazonaws.com"], "ThumbprintList": [THUMBPRINT], **more}
    return account.iam.create_open_id_connect_provider(Url=url, **given)["OpenIDConnectProviderArn"]


def test_a_provider_comes_and_goes(admin: Account):
    iam = admin.iam
    arn = create(admin, Tags=[{"Key": "env", "Value": "prod"}])
    assert arn == f"arn:aws:iam::{admin.id}:oidc-provider/oidc.example.com/id/ABC"
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert found["Url"] == "oidc.example.com/id/ABC"
    assert (found["ClientIDList"], found["ThumbprintList"]) == (["sts.amazonaws.com"], [THUMBPRINT])
    assert found["Tags"] == [{"Key": "env", "Value": "prod"}]
    other = create(admin, "https://a.example.com")
    assert [p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]] == [other, arn]
    assert iam.get_account_summary()["SummaryMap"]["Providers"] == 2
    again = refusal(create, account=admin)
    assert (again.code, again.status) == ("EntityAlreadyExists", 409)
    assert again.message == f"Provider with url {URL} already exists."
    for _ in range(2):
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    gone = refusal(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)
    assert (gone.code, gone.status) == ("NoSuchEntity", 404)
    assert gone.message == f"OpenIDConnect Provider not found for arn {arn}"
    create(admin)
    assert iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"] == []


def test_client_ids(admin: Account):
    iam, arn = admin.iam, create(admin, ClientIDList=["a", "b", "a"])
    named = {"OpenIDConnectProviderArn": arn}

    def ids() -> list[str]:
        return iam.get_open_id_connect_provider(**named)["ClientIDList"]

    assert ids() == ["a", "b"]
    for _ in range(2):
        iam.add_client_id_to_open_id_connect_provider(**named, ClientID="c")
        iam.remove_client_id_from_open_id_connect_provider(**named, ClientID="a")
    assert ids() == ["b", "c"]
    full = create(admin, "https://full.example.com", ClientIDList=[f"c{n}" for n in range(100)])
    more = refusal(iam.add_client_id_to_open_id_connect_provider, OpenIDConnectProviderArn=full, ClientID="one more")
    assert (more.code, more.status) == ("LimitExceeded", 409)
    assert more.message == "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100"
    too_many = refusal(create, account=admin, url="https://x.example.com", ClientIDList=[f"c{n}" for n in range(101)])
    assert too_many.code == "LimitExceeded"


def test_thumbprints(admin: Account):
    iam, arn = admin.iam, create(admin)
    named = {"OpenIDConnectProviderArn": arn}
    iam.update_open_id_connect_provider_thumbprint(**named, ThumbprintList=["A" * 40, "b" * 40])
    assert iam.get_open_id_connect_provider(**named)["ThumbprintList"] == ["a" * 40, "b" * 40]
    for wrong in (["g" * 40], [str(n) * 40 for n in range(6)]):
        found = refusal(iam.update_open_id_connect_provider_thumbprint, **named, ThumbprintList=wrong)
        assert (found.code, found.status) == ("InvalidInput", 400)


@pytest.mark.parametrize(
    "url",
    [
        "http://oidc.example.com",
        "oidc.example.com",
        "https://",
        "https://a.example.com?x=1",
        "https://a.example.com#x",
        "https://me@a.example.com",
        "https://a.example.com:x",
        "https://a b.example.com",
        "ftp://a.example.com",
        "https://é.example.com",
    ],
)
def test_what_is_no_providers_url(sqlite_admin: Account, url: str):
    found = refusal(create, account=sqlite_admin, url=url)
    assert (found.code, found.message) == ("InvalidInput", "Invalid Open ID Connect Provider URL")


def test_tags(admin: Account):
    iam, arn = admin.iam, create(admin)
    named = {"OpenIDConnectProviderArn": arn}
    iam.tag_open_id_connect_provider(**named, Tags=[{"Key": "env", "Value": "prod"}, {"Key": "a", "Value": ""}])
    iam.untag_open_id_connect_provider(**named, TagKeys=["a"])
    assert iam.list_open_id_connect_provider_tags(**named)["Tags"] == [{"Key": "env", "Value": "prod"}]
    tagged = {
        "Effect": "Allow",
        "Action": "iam:*",
        "Resource": f"arn:aws:iam::{admin.id}:oidc-provider/*",
        "Condition": {"StringEquals": {"aws:ResourceTag/env": "prod"}},
    }
    bob = admin.server.client("iam", admin.user("bob", tagged))
    bob.get_open_id_connect_provider(**named)
    plain = create(admin, "https://plain.example.com")
    refused = refusal(bob.get_open_id_connect_provider, OpenIDConnectProviderArn=plain)
    assert (refused.code, refused.status) == ("AccessDenied", 403)
    assert f"iam:GetOpenIDConnectProvider on resource: {plain}" in refused.message


def test_another_accounts_provider_is_not_there(admin: Account):
    other = Account(admin.server, admin.server.new_account())
    arn = create(admin)
    found = refusal(other.iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)
    assert found.code in ("AccessDenied", "NoSuchEntity")
    create(other)
    other.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn.replace(admin.id, other.id))
    admin.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)


@pytest.mark.parametrize("text", ["arn:aws:iam::123456789012:role/x", "x" * 30])
def test_what_is_no_arn_of_a_provider(sqlite_admin: Account, text: str):
    text = text.replace("123456789012", sqlite_admin.id)
    found = refusal(sqlite_admin.iam.get_open_id_connect_provider, OpenIDConnectProviderArn=text)
    assert found.code == "InvalidInput"


def test_a_thumbprint_is_retrieved_where_none_is_given(sqlite_admin: Account, tmp_path: Path):
    given = certificates(tmp_path)
    with issuer(tls=given) as provider:
        arn = create(sqlite_admin, provider.url, ThumbprintList=[])
    found = sqlite_admin.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert found["ThumbprintList"] == [given.thumbprint], "that of the top of the chain"
    away = refusal(create, account=sqlite_admin, url=f"{provider.url}/away", ThumbprintList=[])
    assert (away.code, away.status) == ("OpenIdIdpCommunicationError", 400)
    assert provider.url in away.message


def test_nobody_is_asked_for_who_may_not_create(sqlite_admin: Account):
    bob = sqlite_admin.server.client("iam", sqlite_admin.user("bob"))
    url = "https://127.0.0.1:1/nobody-listens"
    found = refusal(bob.create_open_id_connect_provider, Url=url)
    assert found.code == "AccessDenied"
    assert f"oidc-provider/{url[8:]}" in found.message
