"""CBOR from a client's bytes to its answer: operations of CloudWatch that the test itself declares, through boto3 and by hand.

No service that is built yet speaks it. CloudWatch does, beside JSON and query, with the error codes that it had when it spoke query only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.service.gateway.raw import FAMILIES, Call, error_of
from tests.support.server import REGION, Account, ServerThread, refusal

from roadstead.kernel.errors import ServiceError
from roadstead.services.operation import OPERATIONS, Context, Operation

PROTOCOLS = ["smithy-rpc-v2-cbor", "json", "query"]
THEN = datetime(2026, 11, 29, 12, 0, 0, 250_000, tzinfo=UTC)
POINT = {"Timestamp": THEN, "Average": 0.1, "SampleCount": 3.0, "Unit": "Percent", "ExtendedStatistics": {"p99": -1e-9}}
ASKED = {
    "Namespace": "Roadstead/Größe",
    "MetricName": "load",
    "Dimensions": [{"Name": "host", "Value": "one"}, {"Name": "host", "Value": "two"}],
    "StartTime": THEN - timedelta(hours=1),
    "EndTime": THEN,
    "Period": 60,
    "Statistics": ["Average", "SampleCount"],
}


class DashboardNotFoundError(ServiceError):
    status = 404


class Played:
    """The operations, and what they were asked."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    async def statistics(self, ctx: Context, request: Mapping[str, Any]) -> Mapping[str, object]:
        self.asked.append(request)
        return {"Label": request["MetricName"], "Datapoints": [POINT]}

    async def put(self, ctx: Context, request: Mapping[str, Any]) -> Mapping[str, object]:
        self.asked.append(request)
        return {}

    async def dashboard(self, ctx: Context, request: Mapping[str, Any]) -> Mapping[str, object]:
        raise DashboardNotFoundError(f"Dashboard {request['DashboardName']} does not exist")


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    it = Played()
    for name, handler in (
        ("GetMetricStatistics", it.statistics),
        ("PutMetricData", it.put),
        ("GetDashboard", it.dashboard),
    ):
        full = f"cloudwatch:{name}"
        declared = Operation(full, full, handler, None, None, reads=True, authorised=True, before=None, signed=True)
        monkeypatch.setitem(OPERATIONS, full, declared)
    return it


def cloudwatch(account: Account, protocol: str) -> Any:
    """A client that speaks one of the model's protocols, which botocore chooses by its own preference alone."""
    session = boto3.Session(account.keys.key, account.keys.secret, region_name=REGION)
    core: Any = session._session
    loader = core.get_component("data_loader")
    load = loader.load_service_model

    def load_with(name: str, kind: str, **more: Any) -> Any:
        model = load(name, kind, **more)
        if name == "cloudwatch" and kind == "service-2":
            model = {**model, "metadata": {**model["metadata"], "protocols": [protocol]}}
        return model

    loader.load_service_model = load_with
    config = Config(retries={"total_max_attempts": 1})
    return session.client("cloudwatch", endpoint_url=f"http://127.0.0.1:{account.server.port}", config=config)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_values_of_every_kind_there_and_back(sqlite_admin: Account, played: Played, protocol: str):
    client = cloudwatch(sqlite_admin, protocol)
    answer = client.get_metric_statistics(**ASKED)
    assert played.asked == [ASKED]
    assert (answer["Label"], answer["Datapoints"]) == ("load", [POINT])
    assert answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_an_answer_too(sqlite_admin: Account, played: Played, protocol: str):
    datum = {"MetricName": "load", "Values": [1.5, 2.0], "Counts": [1.0, 1.0], "Timestamp": THEN}
    cloudwatch(sqlite_admin, protocol).put_metric_data(Namespace="Roadstead", MetricData=[datum])
    assert played.asked == [{"Namespace": "Roadstead", "MetricData": [datum]}]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_errors_have_the_code_that_query_gave_them(sqlite_admin: Account, played: Played, protocol: str):
    refused = refusal(cloudwatch(sqlite_admin, protocol).get_dashboard, DashboardName="main")
    assert (refused.code, refused.status) == ("ResourceNotFound", 404)
    assert refused.message == "Dashboard main does not exist"


def call(operation: str, body: bytes) -> Call:
    path = f"/service/GraniteServiceVersion20100801/operation/{operation}"
    return replace(FAMILIES["cbor"], path=path, body=body)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xff",
        b"\xa1",
        b"\x80",
        b"\x01",
        b"\x81" * 100_000,
        b"\xa1\x69Namespace\x01",
        b"\xbf\x69Namespace",
        b"\xa1\x69Namespace\x62\xc3\x28",
        b"\xa0\xa0",
    ],
    ids=["break", "cut off", "a list", "a number", "deep", "another type", "no end", "not UTF-8", "followed"],
)
def test_malformed(sqlite_server: ServerThread, played: Played, body: bytes):
    answer = call("PutMetricData", body).send(sqlite_server, sqlite_server.new_account())
    assert (answer.status, error_of(answer)[0]) == (400, "SerializationException")
    assert played.asked == []


def test_what_the_model_does_not_allow(sqlite_server: ServerThread, played: Played):
    keys, without = sqlite_server.new_account(), call("GetDashboard", b"\xa0")
    answer = without.send(sqlite_server, keys)
    assert (answer.status, error_of(answer)[0]) == (400, "MissingRequiredParameterException")
    assert "x-amzn-query-error" not in answer.headers
    answer = replace(without, headers={**without.headers, "x-amzn-query-mode": "true"}).send(sqlite_server, keys)
    assert answer.headers["x-amzn-query-error"] == "MissingParameter;Sender"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_may_not(sqlite_admin: Account, played: Played, protocol: str):
    keys = sqlite_admin.user("bob", {"Effect": "Allow", "Action": "sts:*", "Resource": "*"})
    bob = Account(sqlite_admin.server, keys)
    refused = refusal(cloudwatch(bob, protocol).get_dashboard, DashboardName="main")
    assert (refused.code, refused.status) == ("AccessDenied", 403 if protocol == "query" else 400)
    assert "not authorized to perform: cloudwatch:GetDashboard" in refused.message
