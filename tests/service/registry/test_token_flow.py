"""How clients log in: Basic with ECR's token, or Docker's token flow with it."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from tests.service.registry.harness import OTHER_ACCOUNT, REGION, Harness, exchange, user

TOKEN = "/v2/_token?service=ecr.amazonaws.com"


async def get(registry: Harness, path: str, authorization: str | None = None, host: str = "localhost"):
    sent = f"Authorization: {authorization}\r\n" if authorization else ""
    return await exchange(
        registry.port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{sent}Connection: close\r\n\r\n".encode()
    )


async def bearer(registry: Harness, basic: str) -> str:
    answer = await get(registry, f"{TOKEN}&scope=repository:web:pull", f"Basic {basic}")
    assert answer.status == 200
    assert 0 < answer.json["expires_in"] <= 12 * 3600
    assert answer.json["token"] == answer.json["access_token"]
    return f"Bearer {answer.json['token']}"


async def test_both_ways_are_offered_and_work(registry: Harness) -> None:
    await registry.create_repository("web")
    await registry.push_image("web", "latest")
    challenged = await get(registry, "/v2/", host="localhost:4566")
    assert challenged.status == 401
    head = challenged.raw_headers("www-authenticate")
    assert head == [
        'Basic realm="http://localhost:4566/",service="ecr.amazonaws.com"',
        'Bearer realm="http://localhost:4566/v2/_token",service="ecr.amazonaws.com"',
    ]
    basic = await registry.token()
    for authorization in (f"Basic {basic}", await bearer(registry, basic)):
        assert (await get(registry, "/v2/", authorization)).status == 200
        assert (await get(registry, "/v2/web/manifests/latest", authorization)).status == 200


async def test_a_bearer_token_is_its_owner(registry: Harness) -> None:
    await registry.create_repository("web")
    await registry.push_image("web", "latest")
    reader = user("reader")
    await registry.allow("reader", [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}])
    token = await bearer(registry, await registry.token(reader))
    denied = await get(registry, "/v2/web/manifests/latest", token)
    assert (denied.status, denied.error) == (403, "DENIED")
    other = await bearer(registry, await registry.token(user(account=OTHER_ACCOUNT)))
    assert (await get(registry, "/v2/web/manifests/latest", other)).status == 403
    elsewhere = await bearer(registry, await registry.token(region="eu-west-1"))
    assert (await get(registry, "/v2/web/manifests/latest", elsewhere)).status == 403


async def test_tokens_expire(registry: Harness) -> None:
    basic = await registry.token()
    token = await bearer(registry, basic)
    registry.clock.offset = timedelta(hours=13)
    for authorization in (token, f"Basic {basic}"):
        answer = await get(registry, "/v2/", authorization)
        assert (answer.status, answer.error) == (403, "DENIED")
    assert (await get(registry, TOKEN, f"Basic {basic}")).status == 403


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer x",
        "Bearer " + "a" * 5000,
        "Basic !",
        "Digest x",
        "Basic " + base64.b64encode(b"AWS:x").decode(),
    ],
)
@pytest.mark.parametrize("path", [TOKEN, "/v2/", "/v2/web/tags/list"])
async def test_nobody_else_gets_in(registry: Harness, authorization: str | None, path: str) -> None:
    answer = await get(registry, path, authorization)
    assert (answer.status, answer.error) == (401, "UNAUTHORIZED")


async def test_only_reading_is_asked_of_the_token_endpoint(registry: Harness) -> None:
    assert (await registry.http("POST", TOKEN, b"grant_type=password")).status == 405


async def test_what_the_credential_helper_needs(registry: Harness) -> None:
    """amazon-ecr-credential-helper takes account and region from the host's name, and gives `docker` the token's two halves.

    It names the registry that it asks for, and takes no answer that is not one of AWS's names.
    """
    answer = await registry.api("GetAuthorizationToken", {"registryIds": [OTHER_ACCOUNT]})
    (data,) = answer["authorizationData"]
    user_name, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user_name == "AWS"
    assert data["proxyEndpoint"] == f"https://{OTHER_ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    header = base64.b64encode(f"{user_name}:{password}".encode()).decode()
    host = f"{registry.principal.account}.dkr.ecr.{REGION}.amazonaws.com"
    assert (await get(registry, "/v2/", f"Basic {header}", host)).status == 200
