"""Real containers, with runc and with gVisor."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.support.containerd import poll

from roadstead.agent.runtime import (
    CannotCreateContainer,
    CannotStartContainer,
    ContainerState,
    ExecSpec,
    Isolation,
    Mount,
    NotFound,
    Output,
    Runtime,
)

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


async def test_a_script_runs_and_its_code_and_output_arrive(bench: Any, isolation: Isolation) -> None:
    task = await bench.task(isolation, hostname="box")
    end, out, err = await bench.run(
        task,
        'echo "$GREETING from $(pwd)"; echo oops >&2; exit 7',
        environment={"GREETING": "hello"},
        working_directory="/www",
    )
    assert (end.exit_code, end.signal, end.oom_killed, end.lost) == (7, None, False, False)
    assert out == "hello from /www\n"
    assert err == "oops\n"


async def test_a_signal_that_ends_a_container_is_told(bench: Any, isolation: Isolation) -> None:
    spec = await bench.start(bench.spec(await bench.task(isolation), "sleep 60"))
    await bench.runtime.kill(spec.id, signal.SIGKILL)
    end = await bench.exit_of(spec.id)
    assert (end.exit_code, end.signal) == (137, signal.SIGKILL)


async def test_stop_asks_first_and_kills_after_the_grace(bench: Any, isolation: Isolation) -> None:
    task = await bench.task(isolation)
    polite = await bench.start(bench.spec(task, "trap 'exit 3' TERM; echo up; while true; do sleep 0.1; done"))
    await _says(polite.output.stdout, "up")
    await bench.runtime.stop(polite.id, grace=15)
    assert (await bench.exit_of(polite.id)).exit_code == 3

    deaf = await bench.start(bench.spec(task, "trap '' TERM; echo up; while true; do sleep 0.1; done"))
    await _says(deaf.output.stdout, "up")
    await bench.runtime.stop(deaf.id, grace=0.5)
    assert (await bench.exit_of(deaf.id)).exit_code == 137


async def test_a_command_that_does_not_exist_is_named(bench: Any, isolation: Isolation) -> None:
    task = await bench.task(isolation)
    spec = bench.spec(task, "", command=("no-such-program",))
    with pytest.raises(CannotStartContainer, match=r'exec: "no-such-program": executable file not found in \$PATH'):
        await bench.start(spec)
    await bench.runtime.remove(spec.id)
    end, _, _ = await bench.run(task, "exit 0")
    assert end.exit_code == 0, "the task's other containers still work"


async def test_users_are_resolved_in_the_image(bench: Any, isolation: Isolation) -> None:
    task = await bench.task(isolation)
    _, out, _ = await bench.run(task, "id -u; id -g; id -G; echo $HOME", user="web")
    assert out.split() == ["1000", "1000", "1000", "2000", "/www"]
    _, out, _ = await bench.run(task, "id -u; id -g", user="1234:55")
    assert out.split() == ["1234", "55"]
    with pytest.raises(
        CannotCreateContainer, match="unable to find user nobody-there: no matching entries in passwd file"
    ):
        await bench.run(task, "true", user="nobody-there")


async def test_mounts_tmpfs_and_a_read_only_root(bench: Any, isolation: Isolation, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o777)
    (tmp_path / "shared" / "in").write_text("from the host")
    task = await bench.task(isolation)
    mount = Mount(str(tmp_path / "shared"), "/shared")
    script = "cat /shared/in; echo back > /shared/out; touch /scratch/x && echo scratch; touch /www/x || echo root is read-only"
    end, out, _ = await bench.run(task, script, mounts=(mount,), tmpfs={"/scratch": "size=1m"}, readonly_root=True)
    assert end.exit_code == 0
    assert out == "from the hostscratch\nroot is read-only\n"
    assert (tmp_path / "shared" / "out").read_text() == "back\n"


async def test_memory_beyond_the_limit_is_an_oom_kill(bench: Any, isolation: Isolation) -> None:
    task = await bench.task(isolation, memory_mib=128)
    end, _, _ = await bench.run(task, "head -c 300m /dev/zero | tail -c 200m > /dev/null; exit 5", memory_mib=96)
    if isolation is Isolation.RUNC:
        assert end.oom_killed
        assert end.exit_code in (5, 137), "the kernel chooses: a child, and the shell goes on, or the shell"
    else:
        assert (end.exit_code, end.oom_killed) == (137, True), "the kernel killed the whole sandbox"


async def test_processor_time_is_limited_from_the_first_start_on(bench: Any, isolation: Isolation) -> None:
    def limit() -> str:
        root, groups = bench.runtime.settings.cgroup_root, bench.runtime.cgroups
        group = groups.path(task.id)[1:]
        if groups.unified:
            return (root / group / "cpu.max").read_text().split()[0]
        return (root / "cpu" / group / "cpu.cfs_quota_us").read_text().strip()

    task = await bench.task(isolation, cpu_units=512)
    spec = bench.spec(task, "sleep 60")
    await bench.runtime.create(spec)
    assert limit() in ("max", "-1")
    await bench.runtime.start(spec.id)
    assert limit() == "50000"
    async with Runtime(bench.runtime.settings) as successor:
        await successor.create_task(task)
        assert limit() == "50000"


async def test_limits_are_set_on_the_control_groups(bench: Any) -> None:
    task = await bench.task(Isolation.RUNC, cpu_units=512, memory_mib=256, pids=100)
    spec = await bench.start(bench.spec(task, "sleep 60", cpu_units=256, memory_mib=64))
    root, groups = bench.runtime.settings.cgroup_root, bench.runtime.cgroups
    shared, own = groups.path(task.id)[1:], groups.path(task.id, spec.id)[1:]
    if groups.unified:
        assert (root / shared / "cpu.max").read_text() == "50000 100000\n"
        assert (root / shared / "memory.max").read_text() == f"{256 << 20}\n"
        assert (root / own / "memory.max").read_text() == f"{64 << 20}\n"
    else:
        assert (root / "cpu" / shared / "cpu.cfs_quota_us").read_text() == "50000\n"
        assert (root / "memory" / shared / "memory.limit_in_bytes").read_text() == f"{256 << 20}\n"
        assert (root / "pids" / shared / "pids.max").read_text() == "100\n"
        assert (root / "memory" / own / "memory.limit_in_bytes").read_text() == f"{64 << 20}\n"
        assert (root / "cpu" / own / "cpu.shares").read_text() == "256\n"
    assert (await bench.runtime.usage(task.id)).memory_bytes > 0


async def test_gvisor_processes_live_under_the_tasks_limits(bench: Any) -> None:
    task = await bench.task(Isolation.GVISOR, memory_mib=512)
    await bench.start(bench.spec(task, "sleep 60"))
    usage = await bench.runtime.usage(task.id)
    assert usage.memory_bytes > 1 << 20
    assert usage.cpu_ns > 0


async def test_containers_of_a_gvisor_task_share_a_sandbox_that_outlives_them(
    network_namespace: str, bench: Any
) -> None:
    task = await bench.task(Isolation.GVISOR, network_namespace=network_namespace)
    server = await bench.start(bench.spec(task, "echo served | nc -l -p 8080; sleep 60"))
    _, out, _ = await bench.run(task, "until nc 127.0.0.1 8080 < /dev/null; do sleep 0.05; done")
    assert out == "served\n"
    assert (await bench.runtime.state(server.id)).state is ContainerState.RUNNING
    again, _, _ = await bench.run(task, "exit 4")
    assert again.exit_code == 4


async def test_a_program_can_be_run_in_a_running_container(bench: Any, isolation: Isolation, tmp_path: Path) -> None:
    task = await bench.task(isolation)
    spec = await bench.start(bench.spec(task, "sleep 60", environment={"COLOR": "green"}))
    output = Output(tmp_path / "exec" / "out", tmp_path / "exec" / "err")
    await bench.runtime.exec(spec.id, ExecSpec("e1", ("sh", "-c", "echo $COLOR; id -u; exit 9"), output, user="web"))
    assert await bench.runtime.exec_wait(spec.id, "e1", 20) == 9
    assert output.stdout.read_text() == "green\n1000\n"
    with pytest.raises(NotFound):
        await bench.runtime.exec("nowhere", ExecSpec("e2", ("true",), output))


async def test_nothing_is_kept_of_a_program_that_could_not_be_run(
    bench: Any, isolation: Isolation, tmp_path: Path
) -> None:
    spec = await bench.start(bench.spec(await bench.task(isolation), "sleep 60"))
    output = Output(tmp_path / "exec" / "out", tmp_path / "exec" / "err")
    with pytest.raises(CannotStartContainer):
        await bench.runtime.exec(spec.id, ExecSpec("e1", ("/no/such/program",), output))
    with pytest.raises(NotFound):
        await bench.runtime.exec_wait(spec.id, "e1", 5)


async def test_docker_like_confinement(bench: Any) -> None:
    task = await bench.task(Isolation.RUNC)
    script = "mount -t tmpfs none /mnt 2>&1 || echo no mount; cat /proc/kcore | head -c1 | wc -c; echo x > /proc/sys/kernel/hostname || true"
    _, out, _ = await bench.run(task, script.replace("wc", "/bin/busybox wc"))
    assert "no mount" in out


async def _says(path: Path, text: str) -> None:
    await poll(lambda: path.exists() and text in path.read_text(), 20, f"{path} says {text}")


async def test_a_container_that_never_ran_is_removed_at_once(bench: Any, isolation: Isolation) -> None:
    """runc's shim would wait ten seconds for the output of a process that was only made, gVisor's for ever."""
    spec = bench.spec(await bench.task(isolation), "sleep 60")
    await bench.runtime.create(spec)
    assert (await bench.runtime.state(spec.id)).state is ContainerState.CREATED
    async with asyncio.timeout(8):
        await bench.runtime.remove(spec.id)
    assert await bench.runtime.list() == []
