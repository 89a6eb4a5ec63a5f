"""Operations called as the gateway calls them, without HTTP: on a real store, with a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.validate import ParamValidator
from tests.support.postgres import PostgresServer
from tests.support.store import DATABASES

from roadstead.access.principal import Principal, PrincipalKind
from roadstead.access.resource import KeyValues, Named, Resource
from roadstead.gateway.models.loader import service_model
from roadstead.gateway.protocols.validate import validate
from roadstead.kernel.arn import Arn
from roadstead.kernel.ids import request_id
from roadstead.kernel.settings import INTERNAL_ACCOUNT, Deployment
from roadstead.services import ec2, ecs, hosts, iam, sts
from roadstead.services.operation import OPERATIONS, Context
from roadstead.store import Store, Transaction, metadata, open_store

ACCOUNT = "000000000000"
OTHER = "111111111111"
REGION = "us-east-1"
DECLARED = (ec2, ecs, hosts, iam, sts)
"""Importing these declares their operations and tables."""


@dataclass(slots=True)
class MovedClock:
    """A clock that stands until it is moved."""

    time: datetime = datetime(2026, 11, 23, 9, tzinfo=UTC)
    ticks: float = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.ticks

    def move(self, by: timedelta) -> None:
        self.time += by
        self.ticks += by.total_seconds()


@dataclass(slots=True)
class Caller:
    """A principal that calls operations; everything is allowed but what `denied` names, and asked-for permissions are kept."""

    cloud: Cloud
    account: str = ACCOUNT
    region: str = REGION
    name: str = "admin"
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)

    async def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """The response of `service:Operation`, both checked against the service's model."""
        service, _, name = operation.partition(":")
        model = service_model(service).operation_model(name)
        validate(service, model, request)
        declared = OPERATIONS[operation]

        async def work(tx: Transaction) -> dict[str, Any]:
            ctx = self.context(tx)
            if declared.resources is not None:
                assert await declared.resources(ctx, request)
            return await declared.handler(ctx, request)

        if declared.reads:
            async with self.cloud.store.snapshot() as tx:
                response = await work(tx)
        else:
            response = await self.cloud.store.run(work)
        if model.output_shape is not None:
            report = ParamValidator().validate(response, model.output_shape)
            assert not report.has_errors(), report.generate_report()
        return response

    def context(self, tx: Transaction) -> Context:
        arn = Arn(service="iam", region="", account=self.account, resource=f"user/{self.name}")

        async def authorise(action: str, resources: Sequence[Named], context: KeyValues | None = None) -> None:
            self.asked.append((action, [str(each.arn if isinstance(each, Resource) else each) for each in resources]))
            if action in self.denied:
                raise PermissionError(action)

        return Context(
            request_id=request_id(),
            account=self.account,
            region=self.region,
            principal=Principal(PrincipalKind.USER, self.account, arn, arn, "AIDA", "AKIA"),
            clock=self.cloud.clock,
            tx=tx,
            deployment=self.cloud.deployment,
            authorise=authorise,
            components={},
        )


@dataclass(slots=True)
class Cloud:
    """A deployment without processes."""

    store: Store
    clock: MovedClock
    deployment: Deployment

    def caller(self, account: str = ACCOUNT, region: str = REGION, name: str = "admin") -> Caller:
        return Caller(self, account, region, name)

    @property
    def host(self) -> Caller:
        """The identity of the pool's host, which runs the pool's agent too."""
        return Caller(self, INTERNAL_ACCOUNT, self.deployment.region, "host")


@pytest.fixture(params=DATABASES)
async def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Cloud]:
    """An empty deployment, on SQLite and again on PostgreSQL."""
    clock = MovedClock()
    deployment = Deployment(data_dir=tmp_path)
    if request.param == "sqlite":
        url, drop = f"sqlite:///{tmp_path / 'roadstead.db'}", None
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = server.create_database()
        url, drop = server.url(name), lambda: server.drop_database(name)
    async with await open_store(url, clock=clock) as store:
        await store.create_all(metadata)
        yield Cloud(store, clock, deployment)
    if drop is not None:
        drop()
