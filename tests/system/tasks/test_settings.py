"""What a container definition sets, as the process inside and the host see it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.system.tasks.bench import Bench, container, script, values

ABOUT = """
    echo uid=$(id -u); echo gid=$(id -g); echo groups=$(id -G); echo pwd=$PWD; echo home=$HOME
    echo greeting=$GREETING; echo changed=$CHANGED; echo added=$ADDED
    echo files=$(ulimit -n); echo hard=$(ulimit -H -n); echo arguments=$*
    touch /root-file 2>/dev/null && echo root=writable || echo root=read-only
    touch /scratch/file && echo volume=writable || echo volume=read-only
"""


def test_the_image_gives_what_the_definition_leaves_out(bench: Bench) -> None:
    found = values(bench.lines(bench.run(script(ABOUT))))
    assert (found["uid"], found["gid"], found["pwd"], found["home"]) == ("0", "0", "/", "/root")
    assert found["root"] == "writable"


def test_user_directory_limits_and_a_read_only_root(bench: Bench) -> None:
    task = bench.run(
        script(
            ABOUT,
            user="web",
            workingDirectory="/www",
            readonlyRootFilesystem=True,
            environment=[{"name": "GREETING", "value": "hello = world"}],
            ulimits=[{"name": "nofile", "softLimit": 700, "hardLimit": 900}],
            mountPoints=[{"sourceVolume": "scratch", "containerPath": "/scratch"}],
        ),
        volumes=[{"name": "scratch"}],
    )
    found = values(bench.lines(task))
    assert (found["uid"], found["gid"], found["groups"]) == ("1000", "1000", "1000 2000")
    assert (found["pwd"], found["home"]) == ("/www", "/www")
    assert found["greeting"] == "hello = world"
    assert (found["files"], found["hard"]) == ("700", "900")
    assert found["root"] == "read-only"
    assert container(task)["exitCode"] == 0


def test_a_mount_in_memory_has_its_size(bench: Bench) -> None:
    mount = {"containerPath": "/memory", "size": 2, "mountOptions": ["mode=1777"]}
    fill = """
        grep ' /memory ' /proc/mounts | cut -d ' ' -f 3
        dd if=/dev/zero of=/memory/one bs=1M count=1 2>/dev/null && echo one fits
        dd if=/dev/zero of=/memory/four bs=1M count=4 2>/dev/null || echo four do not
    """
    task = bench.run(script(fill, readonlyRootFilesystem=True, linuxParameters={"tmpfs": [mount]}))
    assert bench.lines(task) == ["tmpfs", "one fits", "four do not"]


def test_kernel_parameters_are_set_or_refused(bench: Bench) -> None:
    """A gVisor sandbox has none to set, which the task's owner is told."""
    wanted = [{"namespace": "net.core.somaxconn", "value": "99"}]
    task = bench.run(script("echo queue=$(cat /proc/sys/net/core/somaxconn)", systemControls=wanted))
    if bench.runtime == "runc":
        assert values(bench.lines(task)) == {"queue": "99"}
        return
    reason = container(task)["reason"]
    assert reason.startswith("CannotCreateContainerError: "), reason
    assert "net.core.somaxconn" in reason
    assert (task["stopCode"], task["stoppedReason"]) == ("TaskFailedToStart", reason)


def test_a_user_that_the_image_does_not_know(bench: Bench) -> None:
    task = bench.run(script("true", user="stranger"))
    reason = container(task)["reason"]
    assert reason.startswith("CannotCreateContainerError: "), reason
    assert "stranger" in reason
    assert (task["stopCode"], task["stoppedReason"]) == ("TaskFailedToStart", reason)


def test_entry_point_and_command(bench: Bench) -> None:
    task = bench.run({"entryPoint": ["sh", "-c", "echo $0 $1 $2"], "command": ["a", "b c", "d"]})
    assert bench.lines(task) == ["a b c d"]


def test_overrides_change_this_task_alone(bench: Bench) -> None:
    environment = [{"name": "GREETING", "value": "hello"}, {"name": "CHANGED", "value": "before"}]
    family = bench.define(script(ABOUT, environment=environment))
    override = {
        "name": "main",
        "command": ["sh", "-c", ABOUT, "sh", "more"],
        "environment": [{"name": "CHANGED", "value": "after"}, {"name": "ADDED", "value": "new"}],
    }
    changed = bench.stopped(bench.run_task(family, overrides={"containerOverrides": [override]}))
    found = values(bench.lines(changed))
    assert (found["greeting"], found["changed"], found["added"]) == ("hello", "after", "new")
    assert found["arguments"] == "more"
    assert changed["overrides"]["containerOverrides"] == [override]
    plain = values(bench.lines(bench.stopped(bench.run_task(family))))
    assert (plain["greeting"], plain["changed"], plain["added"], plain["arguments"]) == ("hello", "before", "", "")


def test_the_tasks_size_can_be_overridden_and_is_a_limit(bench: Bench) -> None:
    arn = bench.start(
        script("trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done", memory=300, cpu=128),
        overrides={"cpu": "512", "memory": "1024"},
    )
    task = bench.running(arn)
    assert (task["cpu"], task["memory"]) == ("512", "1024")
    bench.line(arn, "ready")
    limits = sorted(_limits(bench, arn.rsplit("/", 1)[1]))
    bench.stop(arn)
    bench.stopped(arn)
    assert 1024 << 20 in limits, "the task's"
    if bench.runtime == "runc":
        assert 300 << 20 in limits, "the container's"


def _limits(bench: Bench, task_id: str) -> list[int]:
    """The memory limits of the task's control groups, in bytes."""
    root = Path("/sys/fs/cgroup")
    files = [*root.glob("memory/**/memory.limit_in_bytes"), *root.glob("**/memory.max")]
    mine = [file for file in files if bench.deployment.tag in str(file) and task_id in str(file)]
    return [int(text) for file in mine if (text := file.read_text().strip()).isdecimal()]


@pytest.mark.parametrize("bench", ["gvisor"], indirect=True)
def test_a_sandbox_is_not_the_hosts_kernel(bench: Bench) -> None:
    (release,) = bench.lines(bench.run(script("cat /proc/version")))
    assert release != Path("/proc/version").read_text().strip()
