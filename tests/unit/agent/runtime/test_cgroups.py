"""Control groups on cgroup v2: a plain directory plays the file system, so only what is read and written is tried.

That a kernel takes it so is for the system tests of a host with cgroup v2 to prove.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from roadstead.agent.runtime import cgroups
from roadstead.agent.runtime.cgroups import CgroupError, Cgroups, TaskUsage

TASK, APP, SIDE = "0123", "app", "side"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with cgroup v2 alone."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma misc\n")
    return tmp_path


@pytest.fixture
def groups(root: Path) -> Cgroups:
    return Cgroups("t", root)


def group(root: Path, *parts: str) -> Path:
    return root.joinpath("roadstead-t", *parts)


def make(directory: Path, files: Mapping[str, str] | None = None) -> Path:
    """A group as the kernel would show it."""
    directory.mkdir(parents=True)
    for name, text in (files or {}).items():
        (directory / name).write_text(text)
    return directory


def contents(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir() if path.is_file()}


def test_the_version_is_told_by_its_file(root: Path):
    assert Cgroups("t", root).unified
    (root / "cgroup.controllers").unlink()
    assert not Cgroups("t", root).unified


def test_limits_are_written(root: Path, groups: Cgroups):
    assert not groups.exists(TASK)
    groups.create_task(TASK, cpu_units=256, memory_mib=512, pids=100)
    assert groups.exists(TASK)
    controllers = "+cpu +memory +pids"
    assert contents(group(root, TASK)) == {
        "cgroup.subtree_control": controllers,
        "cpu.max": "25000 100000",
        "memory.max": "536870912",
        "pids.max": "100",
    }
    assert contents(group(root)) == {"cgroup.subtree_control": controllers}
    assert (root / "cgroup.subtree_control").read_text() == controllers


def test_no_limit_is_max(root: Path, groups: Cgroups):
    groups.create_task(TASK, cpu_units=None, memory_mib=None, pids=None)
    written = contents(group(root, TASK))
    assert (written["cpu.max"], written["memory.max"], written["pids.max"]) == ("max 100000", "max", "max")


@pytest.mark.parametrize(
    ("units", "written"), [(1, "1000 100000"), (1024, "100000 100000"), (4096, "400000 100000"), (None, "max 100000")]
)
def test_processor_time_is_changed_alone(root: Path, groups: Cgroups, units: int | None, written: str):
    groups.create_task(TASK, cpu_units=256, memory_mib=512, pids=100)
    before = contents(group(root, TASK))
    groups.limit_cpu(TASK, units)
    assert contents(group(root, TASK)) == {**before, "cpu.max": written}


def test_limits_are_changed_by_making_the_group_again(root: Path, groups: Cgroups):
    groups.create_task(TASK, cpu_units=256, memory_mib=512, pids=100)
    groups.create_task(TASK, cpu_units=512, memory_mib=1024, pids=None)
    written = contents(group(root, TASK))
    assert (written["cpu.max"], written["memory.max"], written["pids.max"]) == ("50000 100000", "1073741824", "max")


@pytest.mark.parametrize(("memory", "written"), [(512, "0"), (None, "max")])
def test_a_limit_on_memory_leaves_no_swap(root: Path, groups: Cgroups, memory: int | None, written: str):
    make(group(root, TASK), {"memory.swap.max": "?"})
    groups.create_task(TASK, cpu_units=None, memory_mib=memory, pids=None)
    assert (group(root, TASK) / "memory.swap.max").read_text() == written


def test_swap_is_left_alone_where_the_kernel_does_not_count_it(root: Path, groups: Cgroups):
    assert not groups.swap_accounting
    groups.create_task(TASK, cpu_units=None, memory_mib=512, pids=None)
    assert not (group(root, TASK) / "memory.swap.max").exists()
    make(root / "system.slice", {"memory.swap.max": "max"})
    assert groups.swap_accounting


def test_controllers_are_passed_on_from_the_top_before_anything_is_limited(
    root: Path, groups: Cgroups, monkeypatch: pytest.MonkeyPatch
):
    written: list[Path] = []
    write_text = Path.write_text

    def noting(path: Path, *arguments: Any, **named: Any) -> int:
        written.append(path.relative_to(root))
        return write_text(path, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", noting)
    groups.create_task(TASK, cpu_units=256, memory_mib=512, pids=100)
    control, top = "cgroup.subtree_control", Path("roadstead-t")
    assert written[:3] == [Path(control), top / control, top / TASK / control]
    assert {path.name for path in written[3:]} == {"cpu.max", "memory.max", "pids.max"}


@pytest.mark.parametrize("name", ["cgroup.subtree_control", "memory.max", "cpu.max"])
def test_what_the_kernel_refuses_names_the_group(root: Path, groups: Cgroups, name: str):
    (group(root, TASK) / name).mkdir(parents=True)
    with pytest.raises(CgroupError, match="control group /roadstead-t/0123: "):
        groups.create_task(TASK, cpu_units=256, memory_mib=512, pids=100)


def test_usage_is_read(root: Path, groups: Cgroups):
    files = {
        "cpu.stat": "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\nnr_periods 9\n",
        "memory.current": "1048576\n",
        "memory.stat": "anon 700000\nfile 300000\ninactive_file 48576\nactive_file 7\n",
    }
    make(group(root, TASK), files)
    assert groups.usage(TASK) == TaskUsage(cpu_ns=1_234_567_000, memory_bytes=1_000_000, oom_kills=0)
    (group(root, TASK) / "memory.current").write_text("40000\n")
    assert groups.usage(TASK).memory_bytes == 0, "the files are not read at one moment"


def test_a_group_that_is_gone_uses_nothing(groups: Cgroups):
    assert groups.usage(TASK) == TaskUsage(0, 0, 0)
    assert groups.oom_kills(TASK, APP) == 0


def test_kills_for_memory_are_each_groups_own(root: Path, groups: Cgroups):
    def events(kills: int) -> str:
        return f"low 0\nhigh 0\nmax 12\noom {kills + 5}\noom_kill {kills}\noom_group_kill 0\n"

    # memory.events of a group counts those below it too: adding them up would count a kill twice.
    make(group(root, TASK), {"memory.events.local": events(1), "memory.events": events(6)})
    make(group(root, TASK, APP), {"memory.events.local": events(2), "memory.events": events(5)})
    make(group(root, TASK, APP, "inner"), {"memory.events.local": events(3), "memory.events": events(3)})
    make(group(root, TASK, SIDE), {"memory.events.local": events(0), "memory.events": events(0)})
    assert [groups.oom_kills(TASK, each) for each in (APP, SIDE)] == [2, 0]
    assert groups.usage(TASK).oom_kills == 6


def test_a_task_is_removed_with_all_below_it_and_nothing_beside_it(root: Path, groups: Cgroups):
    for parts in ((TASK, APP, "inner"), (TASK, SIDE), ("4567", APP)):
        make(group(root, *parts))
    groups.remove_task(TASK)
    assert not groups.exists(TASK)
    assert group(root, "4567", APP).is_dir()
    groups.remove_task(TASK)
    assert groups.leftovers() == [group(root)]
    make(root / "roadstead-other" / TASK)
    groups.remove_all()
    assert groups.leftovers() == []
    assert (root / "roadstead-other" / TASK).is_dir()


def test_what_still_runs_in_a_group_is_killed(root: Path, groups: Cgroups):
    program = "import signal; signal.pause()"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        listed = make(group(root, TASK, APP), {"cgroup.procs": f"{process.pid}\n"}) / "cgroup.procs"

        def kernel() -> None:
            """A process that is dead is in no group; a directory of the real file system has no files that keep it."""
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            listed.unlink()

        playing = threading.Thread(target=kernel)
        playing.start()
        try:
            groups.remove_task(TASK)
        finally:
            process.kill()
            playing.join()
        assert process.wait() == -9
    assert not groups.exists(TASK)


def test_a_group_that_stays_is_told(root: Path, groups: Cgroups, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cgroups, "_REMOVE_DEADLINE", 0.05)
    stays = make(group(root, TASK, APP), {"cgroup.procs": ""})
    with pytest.raises(CgroupError, match=f"control group {stays} can't be removed: "):
        groups.remove_task(TASK)


def test_a_task_s_processors_are_those_of_the_host_also_where_an_engine_left_none(tmp_path: Path):
    for name in ("cpu", "memory", "pids"):
        make(tmp_path / name)
    host = {"cpuset.cpus": "0-3\n", "cpuset.mems": "0\n"}
    cpuset = make(tmp_path / "cpuset", host)
    left = make(cpuset / "roadstead-t" / TASK, {"cpuset.cpus": "\n", "cpuset.mems": "\n"})
    Cgroups("t", tmp_path).create_task(TASK, cpu_units=None, memory_mib=None, pids=None)
    assert contents(left) == contents(left.parent) == {"cpuset.cpus": "0-3", "cpuset.mems": "0"}
    (left / "cpuset.cpus").write_text("2")
    Cgroups("t", tmp_path).create_task(TASK, cpu_units=None, memory_mib=None, pids=None)
    assert contents(left) == {"cpuset.cpus": "2", "cpuset.mems": "0"}, "what is there stays"


def test_a_container_s_groups_are_removed_alone(root: Path, groups: Cgroups):
    groups.create_task(TASK, cpu_units=None, memory_mib=None, pids=None)
    app, side = (group(root, TASK, name) for name in (APP, SIDE))
    app.mkdir()
    side.mkdir()
    groups.remove_container(TASK, APP)
    assert not app.exists()
    assert side.exists()
    groups.remove_container(TASK, APP)
