"""What becomes of a task's containers: what the runtime tells, and what is found after this agent was away, goes into the record.

Ended containers are removed from here on, beside whatever else the task does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from roadstead.agent.client.retry import Backoff
from roadstead.agent.ecs.launch import Launch
from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.agent.ecs.steps import Steps
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.errors import NotFound
from roadstead.agent.runtime.model import LOST_EXIT_CODE, ContainerExit, ContainerStatus
from roadstead.agent.runtime.model import ContainerState as RuntimeState
from roadstead.core.taskengine.health import HealthState
from roadstead.core.taskengine.report import OUT_OF_MEMORY
from roadstead.core.taskengine.restart import should_restart
from roadstead.core.taskengine.resume import Seen, Verdict, compare, never_began
from roadstead.core.taskengine.states import ContainerState, Event, advance

log = structlog.get_logger(__name__)

VANISHED = "ContainerVanishedError: No container matching saved ID found"
_AGAIN = Backoff(first=0.5, limit=30.0)
_EXIT_PATIENCE = 5.0
"""Seconds that the news of an end may take after a stop returned."""


class Course(Protocol):
    """The task that the containers are of, as far as they have to ask it."""

    def is_starting(self, name: str) -> bool:
        """Whether the container is being started now."""
        ...

    def is_stopping(self) -> bool:
        """Whether the task is on its way to its end."""
        ...

    def save(self) -> None:
        """The record changed: it is kept, and the task looked at again."""
        ...


async def insist(what: Callable[[], Awaitable[None]], task_arn: str) -> None:
    """Repeat what must succeed in the end: stopping and freeing."""
    attempt = 0
    while True:
        try:
            await what()
        except Exception:
            log.exception("will be tried again", task=task_arn)
        else:
            return
        await asyncio.sleep(_AGAIN.delay(attempt))
        attempt += 1


class ContainerEvents:
    """The containers of one task. `running` is what has to be cancelled in the end."""

    def __init__(
        self, tools: Tools, record: TaskRecord, launches: Mapping[str, Launch], steps: Steps, course: Course
    ) -> None:
        self._tools = tools
        self._record = record
        self._launches = launches
        self._steps = steps
        self._course = course
        self._cleaning: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._early: set[str] = set()
        """Containers of which an end was told while they were being started."""

    def running(self) -> tuple[asyncio.Task[None], ...]:
        """The removals that are under way."""
        return tuple(self._cleaning.values())

    def exited(self, ended: ContainerExit) -> None:
        """A container of the task ended; repeated news are ignored."""
        container = self._of(ended.id)
        if container is None:
            self._clean(ended.id)
            return
        if container.state is ContainerState.CREATED and self._course.is_starting(container.name):
            self._early.add(container.name)
            return
        if never_began(container.state, ended.exit_code, lost=ended.lost):
            self._make_again(container)
        elif container.state is ContainerState.RUNNING or container.state is ContainerState.CREATED:
            if container.state is ContainerState.CREATED:
                self._began_unseen(container, ended.exited_at)
            reason = OUT_OF_MEMORY if ended.oom_killed else VANISHED if ended.lost else ""
            self._ends(container, ended.exit_code, reason, ended.exited_at.timestamp())

    def resume(self, found: Mapping[str, ContainerStatus]) -> None:
        """Compare the record with what the runtime has, after this agent was away. Ends follow by `exited`."""
        for container in self._record.containers.values():
            if container.runtime_id and not container.removed:
                self._steps.follow_again(container.name)
            if container.state is ContainerState.PULLED and container.runtime_id != self._steps.identity(
                container.name
            ):
                self._clean(container.runtime_id)  # of the attempt before, which the earlier agent was to take away
                continue
            status = found.get(container.runtime_id)
            match compare(container.state, _seen(status), status.exit_code if status else None):
                case Verdict.STARTED:
                    self._began_unseen(container, status.exited_at if status else None)
                case Verdict.UNMADE:
                    container.state = ContainerState.PULLED
                case Verdict.HALF_MADE:
                    self._make_again(container)
                case Verdict.VANISHED:
                    self._ends(container, LOST_EXIT_CODE, VANISHED, self._tools.now())
                case Verdict.AS_RECORDED:
                    pass
            if container.state is ContainerState.STOPPED and not container.removed:
                self._clean(container.runtime_id)

    def about_to_start(self, container: ContainerRecord) -> None:
        """From now on its end may be waited for."""
        self._ended[container.runtime_id] = asyncio.Event()

    def started(self, container: ContainerRecord) -> None:
        """It runs."""
        self._starts(container, self._tools.now())

    async def catch_early_end(self, container: ContainerRecord) -> None:
        """Have an end told once more that was told while it was being started.

        It may be the end of an attempt that was broken off, whose container was made anew: only a true one is told again.
        """
        if container.name in self._early:
            self._early.discard(container.name)
            await self._tools.runtime.watch_again(container.runtime_id)

    async def wait_for_end(self, container: ContainerRecord) -> None:
        """After a stop: return once its end is in the record, by the news of it or, when none come, by asking."""
        ended = self._ended.setdefault(container.runtime_id, asyncio.Event())
        try:
            async with asyncio.timeout(_EXIT_PATIENCE):
                while container.state is ContainerState.RUNNING:
                    await ended.wait()
        except TimeoutError:
            log.warning("no news of a container's end", container=container.runtime_id)
            try:
                status = await self._tools.runtime.state(container.runtime_id)
            except NotFound:
                status = None
            if container.state is ContainerState.RUNNING:
                if status is None or status.exit_code is None:
                    self._ends(container, LOST_EXIT_CODE, VANISHED, self._tools.now())
                else:
                    self._ends(container, status.exit_code, "", self._tools.now())

    def abandon(self, container: ContainerRecord, reason: str) -> None:
        """It will not run, or not any more."""
        self.apply(container, Event.ABANDONED)
        container.reason = container.reason or reason
        container.finished_at = self._tools.now()
        self._stopped_one()
        if container.runtime_id:
            self._clean(container.runtime_id)
        else:
            container.removed = True

    def apply(self, container: ContainerRecord, event: Event) -> None:
        """Bring it into the state that follows."""
        container.state = advance(container.state, event)

    def _began_unseen(self, container: ContainerRecord, ended: datetime | None) -> None:
        """An earlier agent started it, and could not say so: it counts from when it was made."""
        at = ended.timestamp() if ended is not None else self._tools.now()
        self._starts(container, min(container.created_at or at, at))

    def _starts(self, container: ContainerRecord, at: float) -> None:
        container.started_at = at
        container.health = HealthState(since=at)
        self.apply(container, Event.STARTED)

    def _ends(self, container: ContainerRecord, exit_code: int, reason: str, at: float) -> None:
        launch = self._launches.get(container.name)
        again = should_restart(
            launch.restart_rule if launch else None,
            exit_code=exit_code,
            ran_for=at - (container.started_at or at),
            stopping=self._course.is_stopping(),
        )
        if (waiting := self._ended.pop(container.runtime_id, None)) is not None:
            waiting.set()
        container.exit_code, container.reason, container.finished_at = exit_code, reason, at
        ended = container.runtime_id
        if again:
            self.apply(container, Event.EXITED_TO_RESTART)
            container.attempt += 1
            container.restarts += 1
        else:
            self.apply(container, Event.EXITED)
            self._stopped_one()
        self._course.save()
        self._clean(ended)

    def _make_again(self, container: ContainerRecord) -> None:
        """Its program never ran: what there is of it is removed before it is made anew."""
        log.info("a container is made again", container=container.runtime_id)
        container.state = ContainerState.PULLED
        self._steps.half_made.add(container.runtime_id)
        self._course.save()

    def _stopped_one(self) -> None:
        if all(container.state is ContainerState.STOPPED for container in self._record.containers.values()):
            self._record.stopped_at = self._tools.now()

    def _clean(self, runtime_id: str) -> None:
        if runtime_id in self._cleaning:
            return
        task = asyncio.create_task(self._clean_up(runtime_id), name=f"clean {runtime_id}")
        self._cleaning[runtime_id] = task
        task.add_done_callback(lambda _: self._cleaning.pop(runtime_id, None))

    async def _clean_up(self, runtime_id: str) -> None:
        await insist(lambda: self._steps.clean(runtime_id), self._record.task.arn)
        container = self._of(runtime_id)
        if container is not None and container.state is ContainerState.STOPPED:
            container.removed = True
        self._course.save()

    def _of(self, runtime_id: str) -> ContainerRecord | None:
        return next((each for each in self._record.containers.values() if each.runtime_id == runtime_id), None)


def _seen(status: ContainerStatus | None) -> Seen:
    if status is None:
        return Seen.ABSENT
    if status.state is RuntimeState.STOPPED:
        return Seen.LOST if status.exit_code is None else Seen.EXITED
    return Seen.RUNNING if status.state is RuntimeState.RUNNING else Seen.CREATED
