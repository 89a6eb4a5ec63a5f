"""Several containers in one task: what they share, in which order they start, how they are checked."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.waiting import until
from tests.system.tasks.bench import Bench, Container, container, script

WAIT = "trap 'exit 0' TERM; while true; do sleep 0.1; done"
NOT_ESSENTIAL = {"essential": False}
RUNC_ONLY = pytest.mark.parametrize("bench", ["runc"], indirect=True)
"""gVisor's shim does not let go of a container that was created and never started."""


def after(condition: str, name: str = "first") -> Container:
    """A dependency on another container."""
    return {"dependsOn": [{"containerName": name, "condition": condition}]}


def check(command: str, **rest: int) -> Container:
    """A health check, as often as ECS allows."""
    return {"healthCheck": {"command": ["CMD-SHELL", command], "interval": 5, "timeout": 3, "retries": 1, **rest}}


def test_they_share_localhost_and_a_volume(bench: Bench) -> None:
    mount: dict[str, Any] = {"mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}]}
    reads: dict[str, Any] = {"mountPoints": [{"sourceVolume": "shared", "containerPath": "/data", "readOnly": True}]}
    asks = """
        until wget -qO- http://localhost:8080/; do sleep 0.2; done
        until cat /data/greeting; do sleep 0.2; done
        touch /data/mine 2>&1 || echo read-only
    """
    web = {"name": "web", "environment": [{"name": "PORT", "value": "8080"}]}
    task = bench.run(
        web,
        script("echo hello > /shared/greeting; " + WAIT, "writer", **mount),
        script(asks, **reads),
        volumes=[{"name": "shared"}],
    )
    lines = bench.lines(task)
    assert "It runs." in "".join(lines)
    assert "hello" in lines
    assert "Read-only file system" in lines[-2]
    assert lines[-1] == "read-only"
    assert len({container(task, name)["runtimeId"] for name in ("web", "writer", "main")}) == 3


def test_mounts_of_another_container_are_taken_over(bench: Bench) -> None:
    mount: dict[str, Any] = {"mountPoints": [{"sourceVolume": "shared", "containerPath": "/shared"}]}
    taken: dict[str, Any] = {"volumesFrom": [{"sourceContainer": "writer", "readOnly": True}]}
    asks = "until cat /shared/greeting; do sleep 0.2; done; touch /shared/mine 2>/dev/null || echo read-only"
    task = bench.run(
        script("echo hello > /shared/greeting; " + WAIT, "writer", **mount),
        script(asks, **taken),
        volumes=[{"name": "shared"}],
    )
    assert bench.lines(task)[-2:] == ["hello", "read-only"]


def test_a_volume_lasts_as_long_as_its_task(bench: Bench) -> None:
    family = bench.define(
        script("ls /shared; touch /shared/left", mountPoints=[{"sourceVolume": "v", "containerPath": "/shared"}]),
        volumes=[{"name": "v"}],
    )
    for _ in range(2):
        task = bench.stopped(bench.run_task(family))
        assert (container(task)["exitCode"], bench.lines(task)) == (0, [])


@pytest.mark.parametrize("condition", ["COMPLETE", "SUCCESS"])
def test_one_starts_when_another_has_ended(bench: Bench, condition: str) -> None:
    task = bench.run(script("sleep 1; echo first", "first", **NOT_ESSENTIAL), script("echo second", **after(condition)))
    first, second = bench.events(task, "first"), bench.events(task)
    assert [each["message"] for each in first + second] == ["first", "second"]
    assert first[0]["timestamp"] <= second[0]["timestamp"]
    assert task["stopCode"] == "EssentialContainerExited"
    assert (container(task, "first")["exitCode"], container(task)["exitCode"]) == (0, 0)


def test_one_starts_after_another_has_started(bench: Bench) -> None:
    serve = "echo up; " + WAIT
    task = bench.run(script(serve, "first"), script("sleep 1; echo later", **after("START")))
    assert bench.events(task, "first")[0]["timestamp"] <= bench.events(task)[0]["timestamp"]
    assert (container(task, "first")["exitCode"], container(task)["exitCode"]) == (0, 0)


@RUNC_ONLY
def test_a_failure_where_success_was_needed(bench: Bench) -> None:
    task = bench.run(script("exit 9", "first", **NOT_ESSENTIAL), script("echo never", **after("SUCCESS")))
    assert container(task, "first")["exitCode"] == 9
    assert "exitCode" not in container(task)
    assert bench.lines(task) == []
    assert task["stopCode"] == "TaskFailedToStart"
    assert "condition SUCCESS cannot be met" in task["stoppedReason"]


def test_health_is_checked_told_and_waited_for(bench: Bench) -> None:
    arn = bench.start(
        script("sleep 1; touch /tmp/ok; " + WAIT, "first", **check("test -f /tmp/ok")),
        script(WAIT, "sick", **NOT_ESSENTIAL, **check("echo broken; exit 1")),
        script("echo the first is healthy; " + WAIT, **after("HEALTHY")),
    )
    bench.line(arn, "the first is healthy", seconds=60)

    def told() -> bool:
        task = bench.running(arn)
        found = {name: container(task, name)["healthStatus"] for name in ("first", "sick", "main")}
        return (
            found == {"first": "HEALTHY", "sick": "UNHEALTHY", "main": "UNKNOWN"} and task["healthStatus"] == "HEALTHY"
        )

    until(told, "healths in DescribeTasks", 60)
    bench.stop(arn)
    bench.stopped(arn)


@RUNC_ONLY
def test_an_unhealthy_dependency_is_not_waited_for_for_ever(bench: Bench) -> None:
    task = bench.run(
        script(WAIT, "first", startTimeout=8, **check("exit 1")), script("echo never", **after("HEALTHY")), seconds=90
    )
    assert bench.lines(task) == []
    assert "exitCode" not in container(task)
    assert task["stopCode"] == "TaskFailedToStart"
    assert container(task, "first")["exitCode"] == 0, "it was asked to stop"
