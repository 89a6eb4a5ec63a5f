"""What a task's containers hang on dies: the task ends and says so, or was made anew; the others and the host don't notice."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from tests.support.waiting import until
from tests.system.crashes.victims import Patient


def kinds(patient: Patient) -> tuple[str, ...]:
    return ("shim", "kernel") if patient.deployment.runtime == "gvisor" else ("shim",)


def kill(patient: Patient, arn: str, kind: str) -> None:
    for pid in until(lambda: patient.of_task(arn, kind), f"a {kind} of {arn}", 60):
        with suppress(ProcessLookupError):  # one that ends with another
            os.kill(pid, signal.SIGKILL)


def told(task: dict[str, Any]) -> str | int:
    """What is known of why the task ended: its own reason if it never began, else its container's reason or exit code."""
    [container] = task["containers"]
    assert container["lastStatus"] == "STOPPED", task
    assert container.get("exitCode") != 0, task
    if task["stopCode"] == "TaskFailedToStart":
        return task["stoppedReason"]
    return container.get("reason") or container["exitCode"]


def test_of_a_task_that_runs(patient: Patient):
    other = patient.run("web")
    page = patient.deployment.serving(other)
    for kind in kinds(patient):
        arn = patient.run("web")
        patient.deployment.serving(arn)
        kill(patient, arn, kind)
        task = patient.ended(arn)
        assert task["stopCode"] == "EssentialContainerExited", (kind, task)
        assert told(task), kind
        assert patient.answers(page)
    assert patient.deployment.task(other)["lastStatus"] == "RUNNING"


def test_of_a_task_that_begins(patient: Patient):
    for kind in (*kinds(patient),) * 3:
        arn = patient.run("web")
        kill(patient, arn, kind)
        if patient.settled(arn)["lastStatus"] == "RUNNING":
            page = patient.deployment.address(patient.deployment.task(arn))

            def decided(arn: str = arn, page: str = page) -> bool:
                """It was made anew and serves, or had just begun to run and ends."""
                return patient.answers(page) or patient.deployment.task(arn)["lastStatus"] == "STOPPED"

            until(decided, f"{arn} serves or is STOPPED", 60)
        task = patient.deployment.task(arn)
        assert task["lastStatus"] == "RUNNING" or told(task), kind
