"""The tags of a resource are read where a policy that applies asks for one, and where somebody is told why it was denied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from roadstead.access.decided import Decided
from roadstead.access.errors import AccessDenied
from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.resource import KeyValues, Resource, resource_tags
from roadstead.access.revisions import touch_account
from roadstead.access.sealing import Sealer
from roadstead.access.tables import (
    inline_policies,
    managed_policies,
    managed_policy_versions,
    service_control_policies,
    users,
)
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import SystemClock
from roadstead.services.iam.api import user_with_key
from roadstead.store import Store, open_store

ACCOUNT = "1" * 12
ANN = Arn(service="iam", region="", account=ACCOUNT, resource="user/ann")
USER = Principal(PrincipalKind.USER, ACCOUNT, ANN, ANN, "AIDAEXAMPLE", "AKIAEXAMPLE")
TASK = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/c/1"


def document(*statements: str) -> str:
    return f'{{"Version":"2012-10-17","Statement":[{",".join(statements)}]}}'


def allow(action: str = "ecs:*", resource: str = "*", condition: str = "{}", principal: str = "") -> str:
    named = f'"Principal":{principal},' if principal else ""
    return f'{{"Effect":"Allow",{named}"Action":"{action}","Resource":"{resource}","Condition":{condition}}}'


TEAM = '{"StringEquals":{"aws:ResourceTag/team":"web"}}'
OWN_KEY = '{"StringEquals":{"ecs:resourcetag/team":"web"}}'
COMPARED = '{"StringEquals":{"aws:username":"${aws:ResourceTag/team}"}}'
ASKING = [
    allow(condition=TEAM),
    allow(condition=OWN_KEY),
    allow(condition='{"Null":{"aws:ResourceTag/team":"false"}}'),
    allow(resource="arn:aws:ecs:*:*:task/${aws:ResourceTag/none, 'c'}/*"),
    allow() + "," + allow(condition=COMPARED),
]
NOT_ASKING = [
    allow(),
    allow(condition='{"StringEquals":{"aws:PrincipalTag/team":"web"}}') + "," + allow(),
    allow() + "," + allow(action="ecr:*", condition=TEAM),
]


@dataclass
class Tags:
    """A task's tags, and how often they were read."""

    read: int = 0
    found: KeyValues = field(default_factory=lambda: resource_tags({"team": "web"}, "ecs"))

    async def __call__(self) -> KeyValues:
        self.read += 1
        return self.found


class World:
    def __init__(self, store: Store, keeper: Gatekeeper) -> None:
        self.store, self.keeper = store, keeper

    async def has(self, policy: str) -> None:
        async with self.store.transaction() as tx:
            await tx.execute(update(inline_policies).values(document=policy))
            await touch_account(tx, ACCOUNT)

    async def ask(self, tags: Tags, principal: Principal = USER, policy: str | None = None) -> Decided:
        async with self.store.snapshot() as tx:
            gate = self.keeper.at(tx)
            resource = Resource(TASK, {"ecs:cluster": "c"}, policy=policy, tags=tags)
            with suppress(AccessDenied):
                await gate.authorise(principal, "ecs:StopTask", [resource])
            return gate.decisions[0]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SystemClock()
    async with await open_store(f"sqlite:///{tmp_path / 'roadstead.db'}", clock=clock) as store:
        await store.create_all()
        master = MasterKey.load_or_create(tmp_path / "master.key")
        sealer = await Sealer.load(store, master, clock)
        await store.run(
            lambda tx: user_with_key(
                tx, master=master, account=ACCOUNT, name="ann", path="/", policy=document(allow()), now=clock.now()
            )
        )
        yield World(store, Gatekeeper(sealer, master, clock))


@pytest.mark.parametrize("statements", ASKING)
async def test_a_policy_that_asks_has_them(world: World, statements: str) -> None:
    await world.has(document(statements))
    tags = Tags()
    assert (await world.ask(tags)).outcome[1].allowed
    assert tags.read == 1
    request, _ = (await world.ask(tags)).outcome
    assert request.context.values("aws:resourcetag/team") == ("web",)
    assert request.context.values("ecs:cluster") == ("c",)


@pytest.mark.parametrize("statements", NOT_ASKING)
async def test_where_no_policy_asks_they_are_not_read(world: World, statements: str) -> None:
    await world.has(document(statements))
    tags = Tags()
    assert (await world.ask(tags)).outcome[1].allowed
    assert tags.read == 0


async def test_a_sessions_policy_asks(world: World) -> None:
    tags = Tags()
    limited = replace(USER, session_policies=(document(allow(condition=TEAM)),))
    assert (await world.ask(tags, limited)).outcome[1].allowed
    assert tags.read == 1


async def test_a_resources_policy_asks(world: World) -> None:
    tags = Tags()
    own = document(allow(condition=TEAM, principal=f'{{"AWS":"{ACCOUNT}"}}'))
    assert (await world.ask(tags, policy=own)).outcome[1].allowed
    assert tags.read == 1


async def test_a_boundary_asks(world: World) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/limit"
    async with world.store.transaction() as tx:
        now = tx.clock.now()
        await tx.execute(
            insert(managed_policies).values(
                account=ACCOUNT,
                policy_name="limit",
                policy_id="ANPA",
                path="/",
                description="",
                default_version=1,
                latest_version=1,
                created_at=now,
                updated_at=now,
            )
        )
        await tx.execute(
            insert(managed_policy_versions).values(
                account=ACCOUNT,
                policy_name="limit",
                version=1,
                document=document(allow(condition=TEAM)),
                created_at=now,
            )
        )
        await tx.execute(update(users).values(permissions_boundary=arn))
        await touch_account(tx, ACCOUNT)
    tags = Tags()
    assert (await world.ask(tags)).outcome[1].allowed
    assert tags.read == 1


async def test_a_service_control_policy_asks(world: World) -> None:
    async with world.store.transaction() as tx:
        limit = document(allow(action="*", condition=TEAM))
        await tx.execute(insert(service_control_policies).values(account=ACCOUNT, policy_name="limit", document=limit))
        await touch_account(tx, ACCOUNT)
    tags = Tags()
    assert (await world.ask(tags)).outcome[1].allowed
    assert tags.read == 1


@pytest.mark.parametrize("statements", [allow(action="ecr:*"), allow(resource="arn:aws:ecs:*:*:task/other/*")])
async def test_who_is_denied_is_told_of_them(world: World, statements: str) -> None:
    await world.has(document(statements))
    tags = Tags()
    request, verdict = (await world.ask(tags)).outcome
    assert not verdict.allowed
    assert tags.read == 1
    assert request.context.given["aws:ResourceTag/team"] == "web"


async def test_what_missed_by_a_tag_says_its_value(world: World) -> None:
    await world.has(document(allow(condition=TEAM.replace("web", "data"))))
    tags = Tags()
    _, verdict = (await world.ask(tags)).outcome
    assert [missed.actual for missed in verdict.missed] == [("web",)]
    assert tags.read == 1
