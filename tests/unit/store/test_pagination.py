from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from tests.unit.store.tables import things

from roadstead.store import InvalidToken, Scope, Store, Transaction, open_store, page
from roadstead.store.pagination import Key, decode_token, encode_token

SCOPE = Scope("ecs:ListThings", "000000000000", "us-east-1", {"family": "web"})
KEY = b"k" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)


async def fill(store: Store, count: int) -> None:
    rows = [{"name": f"t{i:03}", "rank": i % 3, "created_at": START + timedelta(seconds=i // 2)} for i in range(count)]
    async with store.transaction() as tx:
        await tx.execute(insert(things), rows)


async def walk(tx: Transaction, limit: int, *keys: str, descending: bool = False) -> list[list[str]]:
    columns = [things.c[key] for key in keys]
    pages: list[list[str]] = []
    token: str | None = None
    while True:
        found = await page(tx, select(things), columns, limit=limit, token=token, scope=SCOPE, descending=descending)
        pages.append([row.name for row in found.rows])
        token = found.next_token
        if token is None:
            return pages


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("keys", [("name",), ("rank", "name"), ("created_at", "name")])
async def test_walking_all_pages_sees_every_row_once_in_order(store: Store, keys: tuple[str, ...], descending: bool):
    await fill(store, 10)
    async with store.snapshot() as tx:
        everything = await walk(tx, 100, *keys, descending=descending)
        in_threes = await walk(tx, 3, *keys, descending=descending)
        exact = await walk(tx, 5, *keys, descending=descending)
    assert len(everything) == 1
    assert [len(names) for names in in_threes] == [3, 3, 3, 1]
    assert [len(names) for names in exact] == [5, 5]
    assert list(chain(*in_threes)) == list(chain(*exact)) == everything[0]
    assert len(everything[0]) == 10


async def test_rows_that_come_and_go_disturb_no_one(store: Store):
    await fill(store, 6)
    async with store.transaction() as tx:
        first = await page(tx, select(things), [things.c.name], limit=2, token=None, scope=SCOPE)
        await tx.execute(things.delete().where(things.c.name == "t001"))
        await tx.execute(insert(things).values(name="t000a"))
        second = await page(tx, select(things), [things.c.name], limit=2, token=first.next_token, scope=SCOPE)
    assert [row.name for row in second.rows] == ["t002", "t003"]


async def test_a_page_is_found_by_index(tmp_path: Path):
    async with await open_store(f"sqlite:///{tmp_path / 'db'}") as store:
        await store.create_all()
        async with store.transaction() as tx:
            plan = await tx.execute(
                text("EXPLAIN QUERY PLAN SELECT * FROM outbox WHERE (xid, id) > (1, 2) ORDER BY xid, id LIMIT 3")
            )
            assert "USING INDEX ix_outbox_xid_id" in str(plan.all()[0])


async def test_a_token_of_another_list_is_refused(store: Store):
    async with store.snapshot() as tx:
        token = encode_token(await tx.signing_key("pagination"), SCOPE, ["a", "b"])
        with pytest.raises(InvalidToken):
            await page(tx, select(things), [things.c.name], limit=5, token=token, scope=SCOPE)


@given(
    st.lists(st.text() | st.integers(-(2**53), 2**53) | st.datetimes(timezones=st.just(UTC)), min_size=1, max_size=3)
)
def test_tokens_open_to_what_was_put_in(values: list[Key]):
    assert decode_token(KEY, SCOPE, encode_token(KEY, SCOPE, values)) == values


@pytest.mark.parametrize(
    "other",
    [
        Scope("ecs:ListOther", "000000000000", "us-east-1", {"family": "web"}),
        Scope("ecs:ListThings", "111111111111", "us-east-1", {"family": "web"}),
        Scope("ecs:ListThings", "000000000000", "eu-west-1", {"family": "web"}),
        Scope("ecs:ListThings", "000000000000", "us-east-1", {"family": "api"}),
        Scope("ecs:ListThings", "000000000000", "us-east-1"),
    ],
)
def test_a_token_opens_for_its_request_only(other: Scope):
    with pytest.raises(InvalidToken):
        decode_token(KEY, other, encode_token(KEY, SCOPE, ["a"]))


def test_every_altered_byte_is_noticed():
    token = encode_token(KEY, SCOPE, ["name"])
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for index in range(len(raw)):
        forged = bytes([*raw[:index], raw[index] ^ 1, *raw[index + 1 :]])
        with pytest.raises(InvalidToken):
            decode_token(KEY, SCOPE, base64.urlsafe_b64encode(forged).decode())
    with pytest.raises(InvalidToken):
        decode_token(b"other" * 8, SCOPE, token)


@given(st.text(max_size=200))
def test_garbage_is_refused(token: str):
    with pytest.raises(InvalidToken):
        decode_token(KEY, SCOPE, token)
