from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select
from tests.unit.store.tables import things

from roadstead.kernel.clock import SystemClock
from roadstead.store import Store, Transaction
from roadstead.store.idempotency import ClientToken, purge_expired, remember_response, stored_response

TOKEN = ClientToken("000000000000", "us-east-1", "ecs:RunTask", "abc")


class Mismatch(Exception):
    pass


async def request(
    tx: Transaction, token: ClientToken, body: dict[str, object], *, hours: float = 1
) -> dict[str, object]:
    stored = await stored_response(tx, token, body, mismatch=Mismatch)
    if stored is not None:
        return stored
    count = (await tx.execute(select(func.count()).select_from(things))).scalar_one()
    await tx.execute(insert(things).values(name=f"thing-{count}"))
    response: dict[str, object] = {"made": f"thing-{count}"}
    await remember_response(tx, token, body, response, lifetime=timedelta(hours=hours))
    return response


async def test_a_repeat_gets_the_first_answer(store: Store):
    first = await store.run(lambda tx: request(tx, TOKEN, {"count": 1, "family": "web"}))
    again = await store.run(lambda tx: request(tx, TOKEN, {"family": "web", "count": 1}))
    assert first == again == {"made": "thing-0"}


async def test_another_request_with_the_token_is_refused(store: Store):
    await store.run(lambda tx: request(tx, TOKEN, {"count": 1}))
    with pytest.raises(Mismatch):
        await store.run(lambda tx: request(tx, TOKEN, {"count": 2}))


async def test_tokens_are_apart_by_account_region_and_operation(store: Store):
    others = [
        ClientToken("111111111111", "us-east-1", "ecs:RunTask", "abc"),
        ClientToken("000000000000", "eu-west-1", "ecs:RunTask", "abc"),
        ClientToken("000000000000", "us-east-1", "ecs:CreateService", "abc"),
        ClientToken("000000000000", "us-east-1", "ecs:RunTask", "ABC"),
        TOKEN,
    ]
    made = [(await store.run(lambda tx, t=token: request(tx, t, {"t": t.token})))["made"] for token in others]
    assert len(set(map(str, made))) == len(others)


async def test_it_expires(store: Store):
    await store.run(lambda tx: request(tx, TOKEN, {"count": 1}, hours=-1))
    assert await store.run(lambda tx: request(tx, TOKEN, {"count": 2}, hours=-1)) == {"made": "thing-1"}
    assert await store.run(purge_expired) == 1
    assert await store.run(purge_expired) == 0


async def test_repeats_at_the_same_time_have_one_effect(store: Store):
    assert isinstance(store.clock, SystemClock)
    answers = await asyncio.gather(*(store.run(lambda tx: request(tx, TOKEN, {"count": 1})) for _ in range(8)))
    assert {str(answer["made"]) for answer in answers} == {"thing-0"}
    async with store.snapshot() as tx:
        assert (await tx.execute(select(func.count()).select_from(things))).scalar_one() == 1
