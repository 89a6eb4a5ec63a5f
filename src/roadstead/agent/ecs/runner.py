"""One task on its way: asks the pure engine what to do, does it, and tells the control plane.

Everything that happens ends in `_changed`; each turn of the loop looks at the whole task again. Steps run beside one another and
are owned here: when the loop ends or is cancelled, they are too. Cancelling leaves containers running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from roadstead.agent.client.retry import Backoff
from roadstead.agent.ecs.health import Monitors
from roadstead.agent.ecs.launch import Launch, UnusableTask, read_task
from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.agent.ecs.reports import Reporter, observe
from roadstead.agent.ecs.steps import StepFailed, Steps
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.errors import NotFound
from roadstead.agent.runtime.model import ContainerExit, ContainerStatus
from roadstead.agent.runtime.model import ContainerState as RuntimeState
from roadstead.core.taskengine.decide import decide, must_stop, wants_interrupted
from roadstead.core.taskengine.health import HealthState
from roadstead.core.taskengine.model import Action, ContainerView, Decision, Desired, Resource, Step, TaskView
from roadstead.core.taskengine.report import OUT_OF_MEMORY
from roadstead.core.taskengine.restart import should_restart
from roadstead.core.taskengine.resume import Seen, Verdict, compare, never_began
from roadstead.core.taskengine.states import HAS_PROCESS, ContainerState, Event, advance

log = structlog.get_logger(__name__)

VANISHED = "ContainerVanishedError: No container matching saved ID found"
_AGAIN = Backoff(first=0.5, limit=30.0)
_EXIT_PATIENCE = 5.0
"""Seconds that the news of an end may take after a stop returned."""


class TaskRunner:
    """A task from its record; `run` returns when nothing is left to do or to report."""

    def __init__(self, tools: Tools, record: TaskRecord, *, health_changed: Callable[[], object] = bool) -> None:
        self.record = record
        self._tools = tools
        self._health_changed = health_changed
        self._changed = asyncio.Event()
        self.freed = asyncio.Event()
        """Set once the host holds nothing of the task any more; the control plane may not know yet."""
        if record.released:
            self.freed.set()
        self._work: dict[tuple[Step, str], asyncio.Task[None]] = {}
        self._cleaning: dict[str, asyncio.Task[None]] = {}
        self._monitors = Monitors(tools.runtime, tools.clock, self._health)
        self._ended: dict[str, asyncio.Event] = {}
        self._early: set[str] = set()
        """Containers of which an end was told while they were being started."""
        self._launches: dict[str, Launch] = {}
        try:
            self._launches = read_task(record.task)
        except UnusableTask as error:
            record.failure = record.failure or f"ResourceInitializationError: {error}"
        self._steps = Steps(tools, record, self._launches)
        self._reporter = Reporter(tools.api, record, self._save)

    def stop(self) -> None:
        """The task shall stop; there is no way back."""
        if self.record.desired is not Desired.STOPPED:
            self.record.desired = Desired.STOPPED
            self._save()

    def wake(self) -> None:
        """Look at the task again."""
        self._changed.set()

    def on_exit(self, ended: ContainerExit) -> None:
        """A container of the task ended; repeated news are ignored."""
        container = self._of(ended.id)
        if container is None:
            self._clean(ended.id)
            return
        if container.state is ContainerState.CREATED and (Step.START, container.name) in self._work:
            self._early.add(container.name)
            return
        if never_began(container.state, ended.exit_code, lost=ended.lost):
            self._make_again(container)
        elif container.state in HAS_PROCESS or container.state is ContainerState.CREATED:
            if container.state is ContainerState.CREATED:
                self._began_unseen(container, ended.exited_at)
            reason = OUT_OF_MEMORY if ended.oom_killed else VANISHED if ended.lost else ""
            self._ends(container, ended.exit_code, reason, ended.exited_at.timestamp())

    def resume(self, found: dict[str, ContainerStatus]) -> None:
        """Compare the record with what the runtime has, after this agent was away. Ends follow by `on_exit`."""
        record = self.record
        if record.sandbox is Resource.READY:
            record.sandbox = Resource.MISSING  # the runtime wants to be told of every living task once more
        for container in record.containers.values():
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
                    self._ends(container, None, VANISHED, self._tools.now())
                case Verdict.AS_RECORDED:
                    pass
            if container.state is ContainerState.STOPPED and not container.removed:
                self._clean(container.runtime_id)
        self._save()

    async def run(self) -> None:
        """Until the task is finished."""
        reporting = asyncio.create_task(self._reporter.run(), name=f"reports {self.record.id}")
        try:
            while True:
                self._changed.clear()
                decision = self._turn()
                if self.record.finished:
                    return
                if not self._changed.is_set():
                    await self._sleep(decision)
        finally:
            owned = [reporting, *self._work.values(), *self._cleaning.values(), *self._monitors.running()]
            for task in owned:
                task.cancel()
            await asyncio.gather(*owned, return_exceptions=True)

    def view(self) -> TaskView:
        """The task as the decisions see it."""
        record = self.record
        return TaskView(
            desired=Desired.STOPPED if record.failure else record.desired,
            containers=tuple(self._container_view(container) for container in record.containers.values()),
            network=record.network,
            sandbox=record.sandbox,
            busy=frozenset(step for step, name in self._work if not name),
            released=record.released,
        )

    def _turn(self) -> Decision:
        while True:
            decision = decide(self.view(), self._tools.now())
            if not decision.abandon:
                break
            for each in decision.abandon:
                self._abandon(self.record.containers[each.container], each.reason)
        for container in wants_interrupted(self.view()):
            self._work[Step.PULL, container.name].cancel()
        waiting = self._work.get((Step.NETWORK, ""))
        if decision.stopping and waiting is not None and not waiting.cancelling():
            waiting.cancel()  # once: the thread that it may wait for then must end before what it makes is freed
        for action in decision.actions:
            self._begin(action)
        self._tell()
        self._watch_health()
        self._tools.records.keep(self.record)
        return decision

    def _tell(self) -> None:
        if (change := observe(self.record)) is not None:
            self._reporter.queue(change)

    async def _sleep(self, decision: Decision) -> None:
        if decision.wake_at is None:
            await self._changed.wait()
            return
        try:
            async with asyncio.timeout(max(0.0, decision.wake_at - self._tools.now())):
                await self._changed.wait()
        except TimeoutError:
            return

    def _begin(self, action: Action) -> None:
        if action.step is Step.CREATE and not self._steps.has_image(action.container):
            # An earlier agent pulled it. Unlike making a container this can be broken off, should the task be stopped.
            action = Action(Step.PULL, action.container)
        key = (action.step, action.container)
        if key in self._work:
            return
        if action.step is Step.PULL and self.record.pull_started_at is None:
            self.record.pull_started_at = self._tools.now()
        task = asyncio.create_task(self._perform(action), name=f"{action.step} {self.record.id} {action.container}")
        self._work[key] = task
        task.add_done_callback(lambda _: self._done(key))

    def _done(self, key: tuple[Step, str]) -> None:
        self._work.pop(key, None)
        self._changed.set()

    async def _perform(self, action: Action) -> None:
        step, name = action.step, action.container
        container = self.record.containers.get(name)
        try:
            match step:
                case Step.NETWORK:
                    await self._steps.network()
                    self.record.network = Resource.READY
                case Step.SANDBOX:
                    await self._steps.sandbox()
                    self.record.sandbox = Resource.READY
                case Step.RELEASE:
                    await self._insist(self._release)
                case _:
                    assert container is not None
                    await self._perform_on(step, container)
        except StepFailed as failure:
            self._failed(step, container, failure)
        except Exception as error:
            log.exception("step failed unexpectedly", task=self.record.task.arn, step=step, container=name)
            self._failed(
                step, container, StepFailed(f"AgentError: {step} failed: {error}", whole_task=container is None)
            )
        self._save()

    async def _perform_on(self, step: Step, container: ContainerRecord) -> None:
        name = container.name
        match step:
            case Step.PULL:
                await self._steps.pull(name)
                if container.state is not ContainerState.PULLED:
                    self.record.pull_stopped_at = self._tools.now()
                    self._apply(container, Event.PULLED)
            case Step.CREATE:
                await self._steps.create(name)
                container.created_at = self._tools.now()
                self._apply(container, Event.CREATED)
            case Step.START:
                self._ended[container.runtime_id] = asyncio.Event()
                await self._steps.start(name)
                container.started_at = self._tools.now()
                container.health = HealthState(since=container.started_at)
                self._apply(container, Event.STARTED)
                self._tell()  # also when its end is already known: that it ran is told before
                if name in self._early:
                    self._early.discard(name)
                    # It may be the end of an attempt that was broken off, whose container was made anew: a true one is told once more.
                    await self._tools.runtime.watch_again(container.runtime_id)
            case Step.STOP:
                await self._insist(lambda: self._stop(container))
            case _:
                raise AssertionError(step)

    async def _stop(self, container: ContainerRecord) -> None:
        await self._steps.stop(container.name)
        ended = self._ended.setdefault(container.runtime_id, asyncio.Event())
        try:
            async with asyncio.timeout(_EXIT_PATIENCE):
                while container.state in HAS_PROCESS:
                    await ended.wait()
        except TimeoutError:
            log.warning("no news of a container's end", container=container.runtime_id)
            try:
                status = await self._tools.runtime.state(container.runtime_id)
            except NotFound:
                status = None
            if container.state in HAS_PROCESS:
                code = status.exit_code if status else None
                self._ends(container, code, "" if status else VANISHED, self._tools.now())

    async def _release(self) -> None:
        await self._steps.release()
        self._tools.credentials.forget(self.record.task.arn)
        self.record.released = True
        self.freed.set()

    async def _insist(self, what: Any) -> None:
        """Repeat what must succeed in the end: stopping and freeing."""
        attempt = 0
        while True:
            try:
                await what()
            except Exception:
                log.exception("will be tried again", task=self.record.task.arn)
            else:
                return
            await asyncio.sleep(_AGAIN.delay(attempt))
            attempt += 1

    def _failed(self, step: Step, container: ContainerRecord | None, failure: StepFailed) -> None:
        if step is Step.NETWORK:
            self.record.network = Resource.FAILED
        if step is Step.SANDBOX:
            self.record.sandbox = Resource.FAILED
        if failure.whole_task and not self.record.failure and self.record.desired is Desired.RUNNING:
            self.record.failure = failure.reason
        if step is Step.PULL:
            self.record.pull_stopped_at = self._tools.now()
        if container is not None and container.state is not ContainerState.STOPPED:
            self._abandon(container, failure.reason)

    def _began_unseen(self, container: ContainerRecord, ended: datetime | None) -> None:
        """An earlier agent started it, and could not say so: it counts from when it was made."""
        at = ended.timestamp() if ended is not None else self._tools.now()
        container.started_at = min(container.created_at or at, at)
        container.health = HealthState(since=container.started_at)
        self._apply(container, Event.STARTED)

    def _apply(self, container: ContainerRecord, event: Event) -> None:
        container.state = advance(container.state, event)

    def _abandon(self, container: ContainerRecord, reason: str) -> None:
        self._apply(container, Event.ABANDONED)
        container.reason = container.reason or reason
        container.finished_at = self._tools.now()
        self._stopped_one()
        self._clean_or_skip(container)

    def _ends(self, container: ContainerRecord, exit_code: int | None, reason: str, at: float) -> None:
        stopping = must_stop(self.view())
        launch = self._launches.get(container.name)
        again = exit_code is not None and should_restart(
            launch.restart_rule if launch else None,
            exit_code=exit_code,
            ran_for=at - (container.started_at or at),
            stopping=stopping,
        )
        if (waiting := self._ended.pop(container.runtime_id, None)) is not None:
            waiting.set()
        container.exit_code, container.reason, container.finished_at = exit_code, reason, at
        ended = container.runtime_id
        if again:
            self._apply(container, Event.EXITED_TO_RESTART)
            container.attempt += 1
            container.restarts += 1
        else:
            self._apply(container, Event.EXITED)
            self._stopped_one()
        self._save()
        self._clean(ended)

    def _make_again(self, container: ContainerRecord) -> None:
        """Its program never ran: what there is of it is removed before it is made anew."""
        log.info("a container is made again", container=container.runtime_id)
        container.state = ContainerState.PULLED
        self._steps.half_made.add(container.runtime_id)
        self._save()

    def _stopped_one(self) -> None:
        if all(container.state is ContainerState.STOPPED for container in self.record.containers.values()):
            self.record.stopped_at = self._tools.now()

    def _clean_or_skip(self, container: ContainerRecord) -> None:
        if container.runtime_id:
            self._clean(container.runtime_id)
        else:
            container.removed = True

    def _clean(self, runtime_id: str) -> None:
        if runtime_id in self._cleaning:
            return
        task = asyncio.create_task(self._clean_up(runtime_id), name=f"clean {runtime_id}")
        self._cleaning[runtime_id] = task
        task.add_done_callback(lambda _: self._cleaning.pop(runtime_id, None))

    async def _clean_up(self, runtime_id: str) -> None:
        await self._insist(lambda: self._steps.clean(runtime_id))
        container = self._of(runtime_id)
        if container is not None and container.state is ContainerState.STOPPED:
            container.removed = True
        self._save()

    def _watch_health(self) -> None:
        for name, container in self.record.containers.items():
            rule = self._launches[name].health_rule if name in self._launches else None
            if rule is not None and container.state in HAS_PROCESS:
                self._monitors.begin(container, rule, self._steps.files.scratch(name))
            else:
                self._monitors.end(name)

    def _health(self) -> None:
        self._save()
        self._health_changed()

    def _of(self, runtime_id: str) -> ContainerRecord | None:
        return next((each for each in self.record.containers.values() if each.runtime_id == runtime_id), None)

    def _container_view(self, container: ContainerRecord) -> ContainerView:
        launch = self._launches.get(container.name)
        return ContainerView(
            name=container.name,
            essential=launch.container.essential if launch else True,
            state=container.state,
            dependencies=launch.dependencies if launch else (),
            busy=next((step for step, name in self._work if name == container.name), None),
            exit_code=container.exit_code,
            health=container.health.status,
            started_at=container.started_at,
            start_timeout=launch.container.start_timeout if launch else None,
        )

    def _save(self) -> None:
        self._tools.records.keep(self.record)
        self._changed.set()


def _seen(status: ContainerStatus | None) -> Seen:
    if status is None:
        return Seen.ABSENT
    if status.state is RuntimeState.STOPPED:
        return Seen.LOST if status.exit_code is None else Seen.EXITED
    return Seen.RUNNING if status.state is RuntimeState.RUNNING else Seen.CREATED
