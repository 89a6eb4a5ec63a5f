"""Restart policies. A restart needs a container that ran for a minute, so that task is started with the deployment."""

from __future__ import annotations

from tests.support.waiting import until
from tests.system.tasks.bench import RESTARTING, Bench, container, script


def test_a_container_that_exits_early_is_not_started_again(bench: Bench) -> None:
    task = bench.run(script("exit 3", **RESTARTING))
    assert container(task)["exitCode"] == 3


def test_an_exit_code_that_is_ignored_ends_the_container(bench: Bench) -> None:
    task = bench.run(script("exit 6", **RESTARTING))
    assert container(task)["exitCode"] == 6


def test_a_container_that_ran_long_enough_is_started_again(bench: Bench) -> None:
    arn = bench.long_runner
    until(lambda: bench.lines(arn)[1:2], "the restart", 120)
    assert set(bench.lines(arn)) == {"started"}
    task = bench.running(arn)
    assert container(task)["lastStatus"] == "RUNNING"
    assert "exitCode" not in container(task)
    bench.stop(arn)
    assert bench.stopped(arn)["stopCode"] == "UserInitiated"
