"""The control groups of tasks: `/roadstead-TAG/TASK/CONTAINER` in every hierarchy, on cgroup v1 and v2.

A task's group holds the limits over all its containers; the engine (runc, runsc) makes the groups below it. Documents:
Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst of the kernel.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from roadstead.agent.runtime.errors import RuntimeFault

CPU_UNITS_PER_CPU = 1024
PERIOD_US = 100_000
_MINIMUM_QUOTA_US = 1_000
_V1_LIMITING = ("cpu", "memory", "pids")
_V1_CPUSET = ("cpuset.cpus", "cpuset.mems")
_V2_LIMITING = ("cpu", "memory", "pids")
_REMOVE_DEADLINE = 5.0
_REMOVE_POLL = 0.02


class CgroupError(RuntimeFault):
    """A control group can't be made, limited or removed."""


@dataclass(frozen=True, slots=True)
class TaskUsage:
    """What a task uses: processor time in nanoseconds, memory in bytes without reclaimable cache, and kills for memory so far."""

    cpu_ns: int
    memory_bytes: int
    oom_kills: int


def cpu_quota_us(cpu_units: int) -> int:
    """Microseconds of processor time in each period of 100 ms for `cpu_units` (1024 are one vCPU)."""
    return max(_MINIMUM_QUOTA_US, cpu_units * PERIOD_US // CPU_UNITS_PER_CPU)


def parse_counters(text: str) -> dict[str, int]:
    """The `name value` lines of a cgroup file."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


class Cgroups:
    """The groups of one deployment below `root` (`/sys/fs/cgroup`)."""

    def __init__(self, tag: str, root: Path = Path("/sys/fs/cgroup")) -> None:
        self.tag = tag
        self._root = root
        self.unified = (root / "cgroup.controllers").exists()

    @property
    def top(self) -> str:
        """The deployment's own group."""
        return f"/roadstead-{self.tag}"

    def path(self, task_id: str, container_id: str | None = None) -> str:
        """The path of a task's or a container's group below a hierarchy's root, as `linux.cgroupsPath` wants it."""
        task = f"{self.top}/{task_id}"
        return task if container_id is None else f"{task}/{container_id}"

    @property
    def swap_accounting(self) -> bool:
        """Whether swap can be limited."""
        if self.unified:
            return bool(list((self._root).glob("*/memory.swap.max")))
        return (self._root / "memory" / "memory.memsw.limit_in_bytes").exists()

    def exists(self, task_id: str) -> bool:
        """Whether the task has a group."""
        directory = self._root / self.path(task_id)[1:] if self.unified else self._directory("cpu", task_id)
        return directory.exists()

    def create_task(self, task_id: str, *, cpu_units: int | None, memory_mib: int | None, pids: int | None) -> None:
        """Make the task's group and set its limits, or change them; None is no limit. Raises CgroupError."""
        try:
            if self.unified:
                self._create_v2(task_id, memory_mib, pids)
            else:
                self._create_v1(task_id, memory_mib, pids)
        except OSError as error:
            raise CgroupError(f"control group {self.path(task_id)}: {error}") from error
        self.limit_cpu(task_id, cpu_units)

    def limit_cpu(self, task_id: str, cpu_units: int | None) -> None:
        """Change the task's limit on processor time; None is no limit. Raises CgroupError."""
        try:
            if self.unified:
                quota = "max" if cpu_units is None else str(cpu_quota_us(cpu_units))
                _write(self._root / self.path(task_id)[1:] / "cpu.max", f"{quota} {PERIOD_US}")
            else:
                cpu = self._directory("cpu", task_id)
                _write(cpu / "cpu.cfs_period_us", PERIOD_US)
                _write(cpu / "cpu.cfs_quota_us", -1 if cpu_units is None else cpu_quota_us(cpu_units))
        except OSError as error:
            raise CgroupError(f"control group {self.path(task_id)}: {error}") from error

    def _create_v1(self, task_id: str, memory_mib: int | None, pids: int | None) -> None:
        cpu, memory, processes = (self._directory(name, task_id) for name in _V1_LIMITING)
        for directory in (cpu, memory, processes):
            directory.mkdir(parents=True, exist_ok=True)
        self._open_cpuset(task_id)
        limit = -1 if memory_mib is None else memory_mib << 20
        swap = memory / "memory.memsw.limit_in_bytes"
        if swap.exists():
            _write(swap, -1)
        _write(memory / "memory.limit_in_bytes", limit)
        if swap.exists():
            _write(swap, limit)
        _write(processes / "pids.max", "max" if pids is None else pids)

    def _open_cpuset(self, task_id: str) -> None:
        """Let the task's group have every processor.

        A new one has none, and takes no process. The engines make groups and fill them, but not those that they find: as one leaves them that
        is killed in between.
        """
        group = self._root / "cpuset"
        if not group.exists():
            return
        for name in self.path(task_id)[1:].split("/"):
            parent, group = group, group / name
            group.mkdir(exist_ok=True)
            for setting in _V1_CPUSET:
                if not _read(group / setting).strip():
                    _write(group / setting, _read(parent / setting).strip())

    def _create_v2(self, task_id: str, memory_mib: int | None, pids: int | None) -> None:
        top = self._root / self.top[1:]
        directory = top / task_id
        directory.mkdir(parents=True, exist_ok=True)
        for parent in (self._root, top, directory):
            _write(parent / "cgroup.subtree_control", " ".join(f"+{name}" for name in _V2_LIMITING))
        _write(directory / "memory.max", "max" if memory_mib is None else memory_mib << 20)
        if (directory / "memory.swap.max").exists():
            _write(directory / "memory.swap.max", "max" if memory_mib is None else 0)
        _write(directory / "pids.max", "max" if pids is None else pids)

    def usage(self, task_id: str) -> TaskUsage:
        """What the task uses now; zeros where its group is gone."""
        if self.unified:
            directory = self._root / self.path(task_id)[1:]
            cpu = parse_counters(_read(directory / "cpu.stat")).get("usage_usec", 0) * 1000
            used = _number(directory / "memory.current")
            cache = parse_counters(_read(directory / "memory.stat")).get("inactive_file", 0)
        else:
            cpu = _number(self._directory("cpuacct", task_id) / "cpuacct.usage")
            memory = self._directory("memory", task_id)
            used = _number(memory / "memory.usage_in_bytes")
            cache = parse_counters(_read(memory / "memory.stat")).get("total_inactive_file", 0)
        kills = sum(self._kills(group) for group in self._memory_groups(task_id))
        return TaskUsage(cpu, max(0, used - cache), kills)

    def oom_kills(self, task_id: str, container_id: str) -> int:
        """How many processes of this container's group the kernel killed for memory; 0 where the group is gone."""
        controller = self._root if self.unified else self._root / "memory"
        return self._kills(controller / self.path(task_id, container_id)[1:])

    def _kills(self, group: Path) -> int:
        name = "memory.events.local" if self.unified else "memory.oom_control"
        return parse_counters(_read(group / name)).get("oom_kill", 0)

    def _memory_groups(self, task_id: str) -> list[Path]:
        top = self._root / self.path(task_id)[1:] if self.unified else self._directory("memory", task_id)
        return [Path(directory) for directory, _, _ in os.walk(top)]

    def remove_task(self, task_id: str) -> None:
        """Remove the task's groups in every hierarchy, and kill what is still in them. Raises CgroupError."""
        self._remove(self.path(task_id))

    def remove_container(self, task_id: str, container_id: str) -> None:
        """Remove a container's groups, which an engine that was killed may have left unfinished, and kill what is in them. Raises CgroupError."""
        self._remove(self.path(task_id, container_id))

    def remove_all(self) -> None:
        """Remove every group of the deployment, and kill what is still in them. Raises CgroupError."""
        self._remove(self.top)

    def _remove(self, path: str) -> None:
        for hierarchy in self._hierarchies():
            _remove_tree(hierarchy / path[1:])

    def leftovers(self) -> list[Path]:
        """Groups of the deployment that exist now."""
        found = [hierarchy / self.top[1:] for hierarchy in self._hierarchies()]
        return [path for path in found if path.exists()]

    def _hierarchies(self) -> list[Path]:
        if self.unified:
            return [self._root]
        return [path for path in self._root.iterdir() if path.is_dir() and not path.is_symlink()]

    def _directory(self, controller: str, task_id: str) -> Path:
        return self._root / controller / self.path(task_id)[1:]


def _write(path: Path, value: int | str) -> None:
    path.write_text(str(value))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _read(path).strip()
    return int(text) if text.isdecimal() else 0


def _remove_tree(top: Path) -> None:
    deadline = time.monotonic() + _REMOVE_DEADLINE
    for directory, _, _ in os.walk(top, topdown=False):
        group = Path(directory)
        while True:
            try:
                group.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise CgroupError(f"control group {group} can't be removed: {error}") from error
                for pid in _read(group / "cgroup.procs").split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            time.sleep(_REMOVE_POLL)
