"""Tokens for registries: who shares one, and when another is asked for."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from roadstead.agent.client import ApiClient, Credentials, CredentialSource
from roadstead.agent.client.credentials import FixedCredentials
from roadstead.agent.ecs.credentials import CredentialStore
from roadstead.agent.ecs.registry_auth import AuthorizationFailed, RegistryAuthenticator
from roadstead.kernel.clock import SystemClock
from roadstead.wire.task import Container, ECRAuthData, IAMRoleCredentials, RegistryAuthenticationData, Task

CLOCK = SystemClock()
CONTAINER = Container(
    name="c",
    image="i",
    registry_authentication=RegistryAuthenticationData(
        type="ecr", ecr_auth_data=ECRAuthData(region="r", registry_id="1", use_execution_role=True)
    ),
)


class Api:
    """Answers with a token that names who signed and how often it was asked."""

    credentials = FixedCredentials(Credentials("agent", "s"))

    def __init__(self, life: float = 3600.0) -> None:
        self.asked: list[str] = []
        self._life = life

    async def call(
        self, service: str, operation: str, request: object, response: Any, *, credentials: CredentialSource, **_: Any
    ) -> Any:
        assert (service, operation) == ("ecr", "GetAuthorizationToken")
        self.asked.append(credentials.current().access_key_id)
        expires = CLOCK.now().timestamp() + self._life
        datum = {"authorizationToken": f"{self.asked[-1]}-{len(self.asked)}", "expiresAt": expires}
        return msgspec.convert({"authorizationData": [datum]}, response)


def authenticator(api: Api, **roles: str) -> RegistryAuthenticator:
    store = CredentialStore()
    for name, role in roles.items():
        given = IAMRoleCredentials(role_arn=role, access_key_id=f"key-{name}", secret_access_key="s")
        store.put_execution(f"arn/{name}", given)
    return RegistryAuthenticator(cast("ApiClient", api), store, CLOCK)


def task(name: str) -> Task:
    return Task(arn=f"arn/{name}", containers=(CONTAINER,))


async def test_tasks_of_one_role_share_a_token_and_those_of_another_do_not() -> None:
    api = Api()
    tokens = authenticator(api, a="reader", b="reader", c="writer")
    assert await tokens.header(task("a"), CONTAINER) == "Basic key-a-1"
    assert await tokens.header(task("b"), CONTAINER) == "Basic key-a-1"
    assert await tokens.header(task("c"), CONTAINER) == "Basic key-c-2"


async def test_a_refused_token_of_another_session_is_replaced_by_one_of_the_tasks_own_once() -> None:
    api = Api()
    tokens = authenticator(api, a="reader", b="reader")
    shared = await tokens.header(task("a"), CONTAINER)
    own = await tokens.header(task("b"), CONTAINER, refused=shared)
    assert own == "Basic key-b-2"
    assert await tokens.header(task("b"), CONTAINER, refused=own) == own
    assert api.asked == ["key-a", "key-b"]


async def test_a_token_in_the_second_half_of_its_life_is_renewed() -> None:
    api = Api(life=0.0)
    tokens = authenticator(api, a="reader")
    await tokens.header(task("a"), CONTAINER)
    await tokens.header(task("a"), CONTAINER)
    assert len(api.asked) == 2


async def test_a_task_without_the_role_gets_no_token_of_others() -> None:
    tokens = authenticator(Api(), a="reader")
    await tokens.header(task("a"), CONTAINER)
    with pytest.raises(AuthorizationFailed):
        await tokens.header(task("other"), CONTAINER)
