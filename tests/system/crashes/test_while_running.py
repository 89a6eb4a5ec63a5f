"""A process dies while tasks run: they go on, nothing that they say is lost, and what happened meanwhile is told afterwards."""

from __future__ import annotations

import pytest
from tests.support.waiting import until
from tests.system.crashes.victims import VICTIMS, Patient


@pytest.mark.parametrize("victim", VICTIMS)
def test_tasks_go_on(patient: Patient, victim: str):
    deployment = patient.deployment
    ticker = patient.run("ticker")
    before = deployment.wait_for(ticker, "RUNNING")
    page = deployment.serving(ticker)
    brief = patient.run("brief")  # last: its life is counted from its start
    other = deployment.serving(brief)
    with patient.dead(victim):
        assert patient.answers(other), "the brief task ended too early to prove anything"
        asked = 0
        while patient.answers(other):
            assert patient.answers(page)
            asked += 1
        assert patient.answers(page)
        assert asked
    ended = patient.ended(brief)
    assert ended["containers"][0]["exitCode"] == 7
    assert ended["stopCode"] == "EssentialContainerExited"
    after = deployment.task(ticker)
    assert after["lastStatus"] == "RUNNING"
    assert after["startedAt"] == before["startedAt"]
    assert after["containers"][0]["runtimeId"] == before["containers"][0]["runtimeId"]
    assert patient.answers(page)
    patient.stop_all()
    assert "last words" in until(lambda: _of(patient, brief, "/test/brief") or None, "its output")
    lines = until(lambda: _of(patient, ticker, "/test/ticker") or None, "its output")
    ticks = sorted({int(line.split()[1]) for line in lines if line.startswith("tick ")})
    assert ticks == list(range(len(ticks)))
    assert len(ticks) > 20


def _of(patient: Patient, arn: str, group: str) -> list[str]:
    logs = patient.deployment.client("logs")
    stream = f"t/main/{arn.rpartition('/')[2]}"
    found: list[str] = []
    request = {"logGroupName": group, "logStreamNames": [stream]}
    while True:
        answer = logs.filter_log_events(**request)
        found += [event["message"] for event in answer["events"]]
        if not answer.get("nextToken"):
            return found
        request["nextToken"] = answer["nextToken"]


def test_everything_at_once(patient: Patient):
    deployment = patient.deployment
    arn = patient.run("web")
    page = deployment.serving(arn)
    before = deployment.task(arn)
    patient.kill(*patient.processes())
    assert patient.answers(page)
    deployment.up()
    after = deployment.task(arn)
    assert after["lastStatus"] == "RUNNING"
    assert after["containers"][0]["runtimeId"] == before["containers"][0]["runtimeId"]
    assert patient.answers(page)
    second = patient.run("web")
    assert patient.answers(deployment.serving(second))


def test_stop_task_while_the_agent_is_dead(patient: Patient):
    arn = patient.run("web")
    patient.deployment.wait_for(arn, "RUNNING")
    with patient.dead("agent"):
        patient.deployment.client("ecs").stop_task(task=arn, reason="enough")
    task = patient.ended(arn)
    assert task["stopCode"] == "UserInitiated"
    assert task["stoppedReason"] == "enough"
    assert task["containers"][0]["exitCode"] == 0
