"""Health, metrics, and the table of what is built."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.service.gateway.raw import FAMILIES
from tests.support.server import ServerThread

from roadstead.gateway.coverage import coverage
from roadstead.gateway.models import SERVICES, service_model
from roadstead.server.operations import DECLARED
from roadstead.services.operation import OPERATIONS


def sample(server: ServerThread, name: str, **labels: str) -> float:
    """The value of a metric, 0 while it was not counted."""
    lines = server.send("GET", "/metrics", {}).text.splitlines()
    wanted = name + ("{" + ",".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}" if labels else "")
    return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == wanted), 0.0)


def test_health(server: ServerThread):
    answer = server.send("GET", "/_roadstead/health", {})
    assert (answer.status, answer.json["status"]) == (200, "ok")


def test_without_an_agent_it_is_not_ready_and_says_why(sqlite_server: ServerThread):
    answer = sqlite_server.send("GET", "/_roadstead/ready", {})
    assert (answer.status, answer.json["reason"]) == (503, "no agent of the Fargate pool is connected")


def test_health_is_for_reading(sqlite_server: ServerThread):
    assert sqlite_server.send("POST", "/_roadstead/health", {}).status in (400, 403, 404)


def test_requests_are_counted_by_outcome(sqlite_server: ServerThread):
    keys = sqlite_server.new_account()
    labels = {"service": "sts", "operation": "GetCallerIdentity"}
    good = {**labels, "code": "OK"}
    bad = {**labels, "code": "MissingAuthenticationToken"}
    requests, seconds = "roadstead_gateway_requests_total", "roadstead_gateway_request_seconds_count"
    before = [sample(sqlite_server, requests, **each) for each in (good, bad)] + [
        sample(sqlite_server, seconds, **labels)
    ]
    for _ in range(3):
        FAMILIES["query"].send(sqlite_server, keys)
    FAMILIES["query"].send(sqlite_server, keys, authorization="")
    after = [sample(sqlite_server, requests, **each) for each in (good, bad)] + [
        sample(sqlite_server, seconds, **labels)
    ]
    assert [b - a for a, b in zip(before, after, strict=True)] == [3, 1, 4]
    assert sample(sqlite_server, "roadstead_gateway_requests_under_way") == 0


def test_strangers_can_not_make_new_labels(sqlite_server: ServerThread):
    for number in range(5):
        headers = {"x-amz-target": f"Logs_20140328.Invented{number}", "content-type": "application/x-amz-json-1.1"}
        sqlite_server.send("POST", "/", headers, b"{}")
        sqlite_server.send("GET", f"/invented{number}", {})
    assert "nvented" not in sqlite_server.send("GET", "/metrics", {}).text


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_what_is_built_exists_in_the_service_s_model(name: str):
    service, _, operation = name.partition(":")
    assert service in SERVICES
    assert operation in service_model(service).operation_names


def test_actions_belong_to_services():
    assert all(each.action.partition(":")[2] for each in OPERATIONS.values())


def test_coverage_counts_every_operation_once():
    found = {each.service: each for each in coverage(DECLARED)}
    assert set(found) == SERVICES
    assert sum(len(each.built) for each in found.values()) == len(DECLARED)
    for name, each in found.items():
        assert sorted((*each.built, *each.missing)) == sorted(service_model(name).operation_names)
    assert "GetCallerIdentity" in found["sts"].built
    assert "AssumeRole" in (*found["sts"].built, *found["sts"].missing)
    assert found["ec2"].protocols == ("ec2",)


def run(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "roadstead", "coverage", *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_the_coverage_command():
    table = run()
    assert all(service in table for service in SERVICES)
    lines = run("sts").splitlines()
    assert "built   sts:GetCallerIdentity" in lines
    (entry,) = json.loads(run("sts", "--json"))
    assert entry["service"] == "sts"
    assert len(entry["built"]) + len(entry["missing"]) == len(lines)
