"""What the telemetry link says of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog

from roadstead.agent.ecs.launch import UnusableTask, read_task
from roadstead.agent.ecs.records import TaskRecord
from roadstead.agent.runtime.cgroups import TaskUsage
from roadstead.agent.runtime.errors import RuntimeFault
from roadstead.core.taskengine.states import ContainerState
from roadstead.kernel.clock import Clock
from roadstead.wire import tcs

log = structlog.get_logger(__name__)
_MIB = 1024 * 1024


class UsageSource(Protocol):
    """The part of the runtime that measures."""

    async def usage(self, task_id: str) -> TaskUsage:
        """What a task's containers use together."""
        ...


def health_of(record: TaskRecord) -> tcs.TaskHealth | None:
    """Health of those containers that have a check and run; None when there is none."""
    try:
        launches = read_task(record.task)
    except UnusableTask:
        return None
    containers = tuple(
        tcs.ContainerHealth(
            container_name=container.name,
            health_status=container.health.status,
            status_since=container.health.since,
            status_message=container.health.output[:1024],
        )
        for container in record.containers.values()
        if container.state is ContainerState.RUNNING and launches[container.name].health_rule is not None
    )
    return tcs.TaskHealth(**_of_task(record), containers=containers) if containers else None


class Sampler:
    """Usage of tasks between two looks.

    The runtime measures tasks as a whole, so there is a sample only for tasks of a single container, whose usage that is.
    """

    def __init__(self, runtime: UsageSource, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now().timestamp()

    async def metrics(self, records: Sequence[TaskRecord]) -> tuple[tcs.TaskMetric, ...]:
        """CPU in percent of one core and memory in MiB, since the last call."""
        metrics: list[tcs.TaskMetric] = []
        seen: set[str] = set()
        for record in records:
            containers = list(record.containers.values())
            if len(containers) != 1 or containers[0].state is not ContainerState.RUNNING:
                continue
            seen.add(record.id)
            try:
                usage = await self._runtime.usage(record.id)
            except (RuntimeFault, OSError) as error:
                log.info("usage unknown", task=record.task.arn, error=str(error))
                continue
            now = self._clock.monotonic()
            before = self._last.get(record.id)
            self._last[record.id] = (now, usage.cpu_ns)
            if before is None or now <= before[0]:
                continue
            # Nanoseconds of work per second, as percent.
            percent = (usage.cpu_ns - before[1]) / (now - before[0]) / 1e7
            metrics.append(
                tcs.TaskMetric(
                    **_of_task(record),
                    container_metrics=(
                        tcs.ContainerMetric(
                            container_name=containers[0].name,
                            cpu_stats_set=_one(percent),
                            memory_stats_set=_one(usage.memory_bytes / _MIB),
                            restart_stats_set=tcs.RestartStatsSet(restart_count=containers[0].restarts),
                        ),
                    ),
                )
            )
        for gone in self._last.keys() - seen:
            del self._last[gone]
        return tuple(metrics)


def _one(value: float) -> tcs.StatsSet:
    return tcs.StatsSet(min=value, max=value, sum=value, sample_count=1)


def _of_task(record: TaskRecord) -> dict[str, str]:
    return {
        "task_arn": record.task.arn,
        "cluster_arn": record.task.task_cluster_arn,
        "task_definition_family": record.task.family,
        "task_definition_version": record.task.version,
    }
