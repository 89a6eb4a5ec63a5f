"""When a provider is asked for its keys, and what is done when it does not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from tests.support.context import MovedClock
from tests.support.issuer import rsa_key

from roadstead.services.iam.api import IssuerAway, IssuerClient, Provider, ProviderUrl
from roadstead.services.sts.claim_keys import further_claims
from roadstead.services.sts.errors import IDPCommunicationErrorException, InvalidIdentityTokenException
from roadstead.services.sts.issuer_keys import AGAIN_SECONDS, FRESH_SECONDS, KEPT_SECONDS, IssuerKeys

URL = ProviderUrl("https", "idp.example.com/x")
PROVIDER = Provider("1" * 12, URL, ("a",), ())


class PlayedClient:
    """A provider that answers or not, and counts."""

    def __init__(self) -> None:
        self.keys = [rsa_key()]
        self.away = False
        self.asked = self.refused = 0

    async def get(self, url: str, thumbprints: Sequence[str], limit: int) -> bytes:
        del thumbprints, limit
        await asyncio.sleep(0)
        if self.away:
            self.refused += 1
            raise IssuerAway(url)
        if url.endswith("openid-configuration"):
            return json.dumps({"issuer": str(URL), "jwks_uri": "https://idp.example.com/keys"}).encode()
        self.asked += 1
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()


class World:
    def __init__(self) -> None:
        self.clock, self.client = MovedClock(), PlayedClient()
        self.issuers = IssuerKeys(cast("IssuerClient", self.client), self.clock)

    async def ask(self, kid: str | None = None) -> int:
        """How many keys there are for a token under `kid`."""
        header: dict[str, Any] = {"alg": "RS256", **({"kid": kid} if kid is not None else {})}
        return len(await self.issuers.candidates(PROVIDER, header))

    def wait(self, seconds: float) -> None:
        self.clock.move(timedelta(seconds=seconds))


async def test_keys_are_taken_for_some_minutes() -> None:
    world = World()
    kid = world.client.keys[0].kid
    assert [await world.ask(kid) for _ in range(3)] == [1, 1, 1]
    world.wait(FRESH_SECONDS - 1)
    await world.ask(kid)
    assert world.client.asked == 1
    world.wait(2)
    await world.ask(kid)
    assert world.client.asked == 2


async def test_an_unknown_key_has_the_provider_asked_but_not_each_time() -> None:
    world = World()
    await world.ask()
    world.client.keys.append(rsa_key())
    new = world.client.keys[1].kid
    with pytest.raises(InvalidIdentityTokenException):
        await world.ask(new)
    assert world.client.asked == 1
    world.wait(AGAIN_SECONDS)
    assert await world.ask(new) == 1
    for _ in range(50):
        with pytest.raises(InvalidIdentityTokenException):
            await world.ask("nobody's")
    assert world.client.asked == 2


async def test_a_key_that_was_withdrawn_counts_no_longer_than_it_is_fresh() -> None:
    world = World()
    old = world.client.keys[0].kid
    await world.ask(old)
    world.client.keys = [rsa_key()]
    world.wait(FRESH_SECONDS)
    with pytest.raises(InvalidIdentityTokenException):
        await world.ask(old)


async def test_keys_outlive_their_provider_for_an_hour() -> None:
    world = World()
    kid = world.client.keys[0].kid
    await world.ask(kid)
    world.client.away = True
    for _ in range(int(KEPT_SECONDS // FRESH_SECONDS) - 1):
        world.wait(FRESH_SECONDS)
        assert await world.ask(kid) == 1
    world.wait(FRESH_SECONDS)
    for _ in range(2):
        with pytest.raises(IDPCommunicationErrorException):
            await world.ask(kid)
    world.client.away = False
    world.wait(AGAIN_SECONDS)
    assert await world.ask(kid) == 1


async def test_a_provider_that_was_never_reached_is_asked_each_time() -> None:
    world = World()
    world.client.away = True
    with pytest.raises(IDPCommunicationErrorException):
        await world.ask()
    world.client.away = False
    assert await world.ask() == 1


async def test_many_tokens_at_once_ask_once() -> None:
    world = World()
    assert await asyncio.gather(*(world.ask(world.client.keys[0].kid) for _ in range(50))) == [1] * 50
    assert world.client.asked == 1


async def test_many_tokens_at_once_wait_for_one_that_does_not_answer_once() -> None:
    world = World()
    world.client.away = True
    told = await asyncio.gather(*(world.ask() for _ in range(50)), return_exceptions=True)
    assert {type(each) for each in told} == {IDPCommunicationErrorException}
    assert world.client.refused == 1


async def test_without_a_key_id_all_keys_of_the_kind_may_fit() -> None:
    world = World()
    world.client.keys.append(rsa_key())
    assert await world.ask() == 2


def test_which_claims_of_a_provider_are_condition_keys() -> None:
    assert {"actor", "repository", "job_workflow_ref"} <= further_claims("token.actions.githubusercontent.com")
    assert "actor" in further_claims("token.actions.githubusercontent.com/acme")
    assert "project_id" in further_claims("gitlab.com")
    assert further_claims("idp.example.com") == frozenset()
    assert "ExternalId" not in further_claims("sts")
