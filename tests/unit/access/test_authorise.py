"""What the gate tells a policy of its caller, and that conditions and session policies count."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from roadstead.access.arrival import NOWHERE, Arrival
from roadstead.access.errors import AccessDenied
from roadstead.access.gatekeeper import Gatekeeper
from roadstead.access.master_key import MasterKey
from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.request_keys import principal_keys, requester_of, time_keys
from roadstead.access.resource import Named, Resource
from roadstead.access.revisions import touch_account
from roadstead.access.sealing import Sealer
from roadstead.access.tables import inline_policies
from roadstead.core.policy.principals import RequesterKind
from roadstead.core.policy.trace import Decision
from roadstead.kernel.arn import Arn
from roadstead.kernel.clock import SystemClock
from roadstead.services.iam.api import user_with_key
from roadstead.store import Store, open_store

ACCOUNT = "1" * 12
ANN = Arn(service="iam", region="", account=ACCOUNT, resource="user/team/ann")
USER = Principal(PrincipalKind.USER, ACCOUNT, ANN, ANN, "AIDAEXAMPLE", "AKIAEXAMPLE")
SESSION = Principal(
    PrincipalKind.ASSUMED_ROLE,
    ACCOUNT,
    Arn(service="sts", region="", account=ACCOUNT, resource="assumed-role/web/s"),
    Arn(service="iam", region="", account=ACCOUNT, resource="role/web"),
    "AROAEXAMPLE:s",
    "ASIAEXAMPLE",
    session_tags={"Team": "yellow"},
    issued_at=datetime(2026, 1, 1, tzinfo=UTC),
)


class World:
    def __init__(self, store: Store, keeper: Gatekeeper) -> None:
        self.store, self.keeper = store, keeper

    async def policy(self, condition: str) -> None:
        document = (
            '{"Version":"2012-10-17","Statement":[{"Sid":"Only","Effect":"Allow","Action":"ecs:*","Resource":"*","Condition":'
            + condition
            + "}]}"
        )
        async with self.store.transaction() as tx:
            await tx.execute(update(inline_policies).values(document=document))
            await touch_account(tx, ACCOUNT)

    async def denial(
        self,
        context: Mapping[str, str | Sequence[str]] | None = None,
        principal: Principal = USER,
        arrival: Arrival = NOWHERE,
        resource: Named = "*",
    ) -> AccessDenied | None:
        async with self.store.snapshot() as tx:
            try:
                await self.keeper.at(tx, arrival).authorise(principal, "ecs:RunTask", [resource], context)
            except AccessDenied as denied:
                return denied
        return None


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = SystemClock()
    async with await open_store(f"sqlite:///{tmp_path / 'roadstead.db'}", clock=clock) as store:
        await store.create_all()
        master = MasterKey.load_or_create(tmp_path / "master.key")
        sealer = await Sealer.load(store, master, clock)
        await store.run(
            lambda tx: user_with_key(
                tx, master=master, account=ACCOUNT, name="ann", path="/team/", policy="{}", now=clock.now()
            )
        )
        yield World(store, Gatekeeper(sealer, master, clock))


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        ('{"StringEquals":{"aws:username":"ann"}}', {}, True),
        ('{"StringEquals":{"aws:username":"bob"}}', {"aws:username": "bob"}, False),
        ('{"StringEquals":{"aws:username":"bob"}}', {"AWS:UserName": "bob"}, False),
        ('{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111111111111:user/team/*"}}', {}, True),
        ('{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}', {"aws:SourceIp": "10.1.1.1"}, True),
        ('{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}', {}, False),
        ('{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}', {}, True),
        ('{"NumericLessThan":{"aws:EpochTime":"1577836800"}}', {}, False),
        ('{"Bool":{"aws:SecureTransport":"true"}}', {}, False),
        ('{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}', {"aws:TagKeys": ["a", "c"]}, False),
        ('{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}', {"aws:TagKeys": ["a"]}, True),
    ],
)
async def test_conditions(
    world: World, condition: str, context: Mapping[str, str | Sequence[str]], allowed: bool
) -> None:
    await world.policy(condition)
    assert (await world.denial(context) is None) is allowed


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ('{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}', True),
        ('{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}', False),
        ('{"Bool":{"aws:SecureTransport":"true"}}', True),
        ('{"StringLike":{"aws:UserAgent":"aws-cli/*"}}', True),
        ('{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}', True),
        ('{"StringEquals":{"aws:ResourceAccount":"222222222222"}}', False),
        ('{"StringEquals":{"aws:ResourceAccount":"${aws:PrincipalAccount}","ecs:cluster":"c"}}', True),
        ('{"Null":{"aws:Referer":"true","aws:SourceVpc":"true","aws:CalledVia":"true"}}', True),
    ],
)
async def test_how_a_request_came_in_and_whose_the_resource_is(world: World, condition: str, allowed: bool) -> None:
    await world.policy(condition)
    arrival = Arrival("10.1.2.3", "aws-cli/2.0", secure=True, region="eu-west-1")
    resource = Resource(f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/c/1", {"ecs:cluster": "c"})
    # What an operation reads from its request does not stand above what the connection says.
    forged = {"aws:SourceIp": "192.0.2.1", "aws:SecureTransport": "false"}
    assert (await world.denial(forged, arrival=arrival, resource=resource) is None) is allowed


async def test_a_denial_has_its_reasons(world: World) -> None:
    await world.policy('{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}')
    denied = await world.denial(arrival=Arrival(region="us-east-1"))
    assert denied is not None
    assert denied.message == (
        "User: arn:aws:iam::111111111111:user/team/ann is not authorized to perform: ecs:RunTask on resource: * "
        "because no identity-based policy allows the ecs:RunTask action"
    )
    assert denied.verdict.decision is Decision.IMPLICIT_DENY
    missed = denied.verdict.missed[0]
    assert (missed.statement.sid, missed.statement.policy.name, missed.actual) == ("Only", "generated", ("us-east-1",))


async def test_a_sessions_policies_limit_it(world: World) -> None:
    await world.policy("{}")
    nothing = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ecr:*","Resource":"*"}}'
    denied = await world.denial(principal=replace(USER, session_policies=(nothing,)))
    assert denied is not None
    assert denied.message.endswith("because no session policy allows the ecs:RunTask action")
    assert (
        await world.denial(principal=replace(USER, session_policies=(nothing, nothing.replace("ecr", "ecs")))) is None
    )


def test_the_keys_of_a_session() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert {**principal_keys(SESSION), **time_keys(now)} == {
        "aws:PrincipalArn": "arn:aws:iam::111111111111:role/web",
        "aws:PrincipalAccount": ACCOUNT,
        "aws:PrincipalType": "AssumedRole",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:userid": "AROAEXAMPLE:s",
        "aws:CurrentTime": "2026-01-02T03:04:05Z",
        "aws:EpochTime": "1767323045",
        "aws:TokenIssueTime": "2026-01-01T00:00:00Z",
        "aws:PrincipalTag/Team": "yellow",
    }
    assert requester_of(SESSION).kind is RequesterKind.ROLE_SESSION
    assert requester_of(SESSION).unique_id == "AROAEXAMPLE"
