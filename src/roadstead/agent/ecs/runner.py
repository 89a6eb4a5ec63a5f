"""One task on its way: asks the pure engine what to do, does it, and tells the control plane.

Everything that happens ends in `_changed`; each turn of the loop looks at the whole task again. Steps run beside one another and
are owned here: when the loop ends or is cancelled, they are too. Cancelling leaves containers running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from roadstead.agent.ecs.container_events import ContainerEvents, insist
from roadstead.agent.ecs.health import Monitors
from roadstead.agent.ecs.launch import Launch, UnusableTask, read_task
from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.agent.ecs.reports import Reporter, observe
from roadstead.agent.ecs.steps import StepFailed, Steps
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.model import ContainerExit, ContainerStatus
from roadstead.core.taskengine.decide import decide, must_stop, wants_interrupted
from roadstead.core.taskengine.model import Action, ContainerView, Decision, Desired, Resource, Step, TaskView
from roadstead.core.taskengine.states import ContainerState, Event

log = structlog.get_logger(__name__)


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
        self._monitors = Monitors(tools.runtime, tools.clock, self._health)
        self._launches: dict[str, Launch] = {}
        try:
            self._launches = read_task(record.task)
        except UnusableTask as error:
            record.failure = record.failure or f"ResourceInitializationError: {error}"
        self._steps = Steps(tools, record, self._launches)
        self._events = ContainerEvents(tools, record, self._launches, self._steps, self)
        self._reporter = Reporter(tools.api, record, self.save)

    def stop(self) -> None:
        """The task shall stop; there is no way back."""
        if self.record.desired is not Desired.STOPPED:
            self.record.desired = Desired.STOPPED
            self.save()

    def wake(self) -> None:
        """Look at the task again."""
        self._changed.set()

    def on_exit(self, ended: ContainerExit) -> None:
        """A container of the task ended; repeated news are ignored."""
        self._events.exited(ended)

    def resume(self, found: dict[str, ContainerStatus]) -> None:
        """Compare the record with what the runtime has, after this agent was away. Ends follow by `on_exit`."""
        if self.record.sandbox is Resource.READY:
            self.record.sandbox = Resource.MISSING  # the runtime wants to be told of every living task once more
        self._events.resume(found)
        self.save()

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
            owned = [reporting, *self._work.values(), *self._events.running(), *self._monitors.running()]
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

    def is_starting(self, name: str) -> bool:
        """See Course."""
        return (Step.START, name) in self._work

    def is_stopping(self) -> bool:
        """See Course."""
        return must_stop(self.view())

    def save(self) -> None:
        """See Course."""
        self._tools.records.keep(self.record)
        self._changed.set()

    def _turn(self) -> Decision:
        while True:
            decision = decide(self.view(), self._tools.now())
            if not decision.abandon:
                break
            for each in decision.abandon:
                self._events.abandon(self.record.containers[each.container], each.reason)
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
                    await insist(self._release, self.record.task.arn)
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
        self.save()

    async def _perform_on(self, step: Step, container: ContainerRecord) -> None:
        name = container.name
        match step:
            case Step.PULL:
                await self._steps.pull(name)
                if container.state is not ContainerState.PULLED:
                    self.record.pull_stopped_at = self._tools.now()
                    self._events.apply(container, Event.PULLED)
            case Step.CREATE:
                await self._steps.create(name)
                container.created_at = self._tools.now()
                self._events.apply(container, Event.CREATED)
            case Step.START:
                self._events.about_to_start(container)
                await self._steps.start(name)
                self._events.started(container)
                self._tell()  # also when its end is already known: that it ran is told before
                await self._events.catch_early_end(container)
            case Step.STOP:
                await insist(lambda: self._stop(container), self.record.task.arn)
            case _:
                raise AssertionError(step)

    async def _stop(self, container: ContainerRecord) -> None:
        await self._steps.stop(container.name)
        await self._events.wait_for_end(container)

    async def _release(self) -> None:
        await self._steps.release()
        self._tools.credentials.forget(self.record.task.arn)
        self.record.released = True
        self.freed.set()

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
            self._events.abandon(container, failure.reason)

    def _watch_health(self) -> None:
        for name, container in self.record.containers.items():
            rule = self._launches[name].health_rule if name in self._launches else None
            if rule is not None and container.state is ContainerState.RUNNING:
                self._monitors.begin(container, rule, self._steps.files.scratch(name))
            else:
                self._monitors.end(name)

    def _health(self) -> None:
        self.save()
        self._health_changed()

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
