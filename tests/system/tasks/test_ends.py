"""How tasks end by themselves: stopCode, stoppedReason, exit codes and reasons."""

from __future__ import annotations

from typing import Any

import pytest
from tests.system.tasks.bench import Bench, Container, container, script

ESSENTIAL_EXITED = "Essential container in task exited"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


def hog(mib: int, **rest: Any) -> Container:
    """A container that fills so much memory at once."""
    return {"command": ["dd", "if=/dev/zero", "of=/dev/null", f"bs={mib}M", "count=1"], **rest}


def test_an_exit_code_is_told(bench: Bench) -> None:
    task = bench.run(script("echo failing; exit 3"))
    assert (task["stopCode"], task["stoppedReason"]) == ("EssentialContainerExited", ESSENTIAL_EXITED)
    assert container(task)["exitCode"] == 3
    assert "reason" not in container(task)
    assert bench.lines(task) == ["failing"]
    assert task["startedAt"] <= task["executionStoppedAt"]


def test_a_success_is_an_end_too(bench: Bench) -> None:
    task = bench.run(script("true"))
    assert (task["stopCode"], task["stoppedReason"]) == ("EssentialContainerExited", ESSENTIAL_EXITED)
    assert container(task)["exitCode"] == 0


def test_a_command_that_does_not_exist(bench: Bench) -> None:
    task = bench.run({"command": ["no-such-program", "--help"]})
    reason = container(task)["reason"]
    assert reason.startswith(("CannotStartContainerError: ", "CannotCreateContainerError: ")), reason
    assert "no-such-program" in reason
    assert "executable file not found" in reason
    assert (task["stopCode"], task["stoppedReason"]) == ("TaskFailedToStart", reason)
    assert "exitCode" not in container(task)
    assert "startedAt" not in task


def test_a_task_that_takes_more_memory_than_its_size(bench: Bench) -> None:
    task = bench.run(hog(600))
    assert container(task)["exitCode"] == 137
    assert container(task)["reason"] == OUT_OF_MEMORY
    assert (task["stopCode"], task["stoppedReason"]) == ("EssentialContainerExited", ESSENTIAL_EXITED)


@pytest.mark.parametrize("bench", ["runc"], indirect=True)
def test_a_container_that_takes_more_memory_than_its_own_limit(bench: Bench) -> None:
    """gVisor's sandbox holds all containers of a task, so there only the task's size counts."""
    task = bench.run(hog(200, memory=96))
    assert container(task)["exitCode"] == 137
    assert container(task)["reason"] == OUT_OF_MEMORY


def test_the_end_of_an_essential_container_ends_the_task(bench: Bench) -> None:
    patient = "trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done"
    task = bench.run(script("sleep 2; exit 4", "short"), script(patient, "long", stopTimeout=20))
    assert (task["stopCode"], task["stoppedReason"]) == ("EssentialContainerExited", ESSENTIAL_EXITED)
    assert container(task, "short")["exitCode"] == 4
    assert container(task, "long")["exitCode"] == 0, "it was asked to stop, not killed"


def test_the_end_of_another_container_does_not(bench: Bench) -> None:
    arn = bench.start(
        script("exit 5", "helper", essential=False),
        script("trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done"),
    )
    bench.line(arn, "ready")
    task = bench.running(arn)
    while container(task, "helper")["lastStatus"] != "STOPPED":
        task = bench.running(arn)
    assert container(task, "helper")["exitCode"] == 5
    assert container(task)["lastStatus"] == "RUNNING"
    bench.stop(arn)
    assert bench.stopped(arn)["stopCode"] == "UserInitiated"
