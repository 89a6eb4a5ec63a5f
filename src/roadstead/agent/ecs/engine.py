"""All tasks of an agent: takes what the control plane wants, tells runners what happened, remembers over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import structlog

from roadstead.agent.ecs.launch import isolation_of
from roadstead.agent.ecs.network.plan import NoLinkAddress, free_link_address
from roadstead.agent.ecs.records import ContainerRecord, TaskRecord
from roadstead.agent.ecs.runner import TaskRunner
from roadstead.agent.ecs.steps import while_away
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.errors import RuntimeFault
from roadstead.core.taskengine.model import Desired, Resource
from roadstead.wire.acs import TASK_EXECUTION, IAMRoleCredentialsMessage, TaskIdentifier
from roadstead.wire.task import IAMRoleCredentials, Task

log = structlog.get_logger(__name__)
_FORGET_EVERY = 60.0
_CATCH_UP_EVERY = 2.0
_RUNNER_PAUSE = 1.0


class Engine:
    """`run` resumes what was there and works until cancelled, which leaves containers running."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._runners: dict[str, TaskRunner] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._finished: dict[str, TaskRecord] = {}
        self._ready = asyncio.Event()
        self._health = asyncio.Event()
        self._draining = False

    async def run(self) -> None:
        """Compare the checkpoint with the runtime, then follow the ends of containers."""
        try:
            await self._resume()
            self._ready.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_exits(), name="container ends")
                group.create_task(self._forget_old(), name="finished tasks")
                group.create_task(self._remove_images(), name="unused images")
                group.create_task(self._catch_up(), name="late checkpoints")
        finally:
            self._ready.clear()
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def ready(self) -> None:
        """Wait until the checkpoint was compared: before, nothing new may be taken."""
        await self._ready.wait()

    def accept(self, tasks: Iterable[Task]) -> None:
        """Take over desired states and credentials; what else messages say that come twice or late does nothing.

        When it returns new tasks are in the checkpoint; raises OSError where that can't be written.
        """
        for task in tasks:
            runner = self._runners.get(task.arn)
            if runner is not None:
                if task.desired_status == Desired.STOPPED:
                    runner.stop()
                self._take_credentials(
                    runner,
                    role_credentials=task.role_credentials,
                    execution_role_credentials=task.execution_role_credentials,
                )
            elif task.arn not in self._finished:
                record = self._record(task)
                self._tools.records.save(record)
                runner = self._begin(record)
                if self._draining:
                    runner.stop()

    def refresh(self, message: IAMRoleCredentialsMessage) -> bool:
        """Take fresh credentials; False for a task that is not here."""
        runner = self._runners.get(message.task_arn)
        if runner is None or message.role_credentials is None:
            return False
        if message.role_type == TASK_EXECUTION:
            self._take_credentials(runner, execution_role_credentials=message.role_credentials)
        else:
            self._take_credentials(runner, role_credentials=message.role_credentials)
        return True

    def _take_credentials(self, runner: TaskRunner, **sent: IAMRoleCredentials | None) -> None:
        """What was sent takes the place of what the task has; members that were not sent stay."""
        fresh = {member: credentials for member, credentials in sent.items() if credentials is not None}
        if not fresh:
            return
        record = runner.record
        record.task = msgspec.structs.replace(record.task, **fresh)
        self._put_credentials(record)
        self._tools.records.keep(record)

    def stop(self, task_arns: Iterable[str]) -> None:
        """Stop these tasks, as far as they are here."""
        for arn in task_arns:
            if (runner := self._runners.get(arn)) is not None:
                runner.stop()

    def not_in(self, wanted: Sequence[TaskIdentifier]) -> tuple[TaskIdentifier, ...]:
        """Tasks that are here and not meant to stop, but that a manifest does not name."""
        named = {each.task_arn for each in wanted}
        return tuple(
            TaskIdentifier(
                task_arn=arn, task_cluster_arn=runner.record.task.task_cluster_arn, desired_status=Desired.STOPPED
            )
            for arn, runner in self._runners.items()
            if arn not in named and runner.record.desired is Desired.RUNNING
        )

    def records(self) -> Iterator[TaskRecord]:
        """The tasks that are here and not finished."""
        return (runner.record for runner in self._runners.values())

    def all_records(self) -> Iterator[TaskRecord]:
        """These and the finished ones that are still remembered."""
        yield from self.records()
        yield from self._finished.values()

    async def health_changed(self, at_most: float) -> None:
        """Wait until a container's health changes, `at_most` so many seconds."""
        try:
            async with asyncio.timeout(at_most):
                await self._health.wait()
        except TimeoutError:
            return
        self._health.clear()

    async def drain(self, tell_within: float) -> None:
        """Stop every task, wait until the host holds nothing of them, then up to `tell_within` seconds until all was told.

        Tasks that come meanwhile are stopped at once. What the control plane does not take in that time stays in the checkpoint
        and is told after the next start.
        """
        await self.ready()
        self._draining = True
        self.stop(list(self._runners))
        while held := [runner for runner in self._runners.values() if not runner.freed.is_set()]:
            await asyncio.gather(*(runner.freed.wait() for runner in held))
        if not self._running:
            return
        _, untold = await asyncio.wait(self._running.values(), timeout=tell_within)
        if untold:
            log.warning("the control plane does not know yet that tasks stopped", tasks=len(untold))

    def _record(self, task: Task) -> TaskRecord:
        taken = (runner.record.link_address for runner in self._runners.values())
        failure = address = ""
        try:
            address = free_link_address(taken)
        except NoLinkAddress as error:
            failure = f"ResourceInitializationError: {error}"
        return TaskRecord(
            task=task,
            desired=Desired(task.desired_status),
            containers={each.name: ContainerRecord(name=each.name) for each in task.containers},
            received_at=self._tools.now(),
            isolation=isolation_of(task, self._tools.fargate_runtime()),
            link_address=address,
            failure=failure,
        )

    def _begin(self, record: TaskRecord) -> TaskRunner:
        self._put_credentials(record)
        runner = TaskRunner(self._tools, record, health_changed=self._health.set)
        self._tools.records.keep(record)
        arn = record.task.arn
        self._runners[arn] = runner
        self._running[arn] = asyncio.create_task(self._keep_running(runner), name=f"task {record.id}")
        return runner

    async def _keep_running(self, runner: TaskRunner) -> None:
        arn = runner.record.task.arn
        while True:
            try:
                await runner.run()
            except Exception:
                log.exception("a task's loop failed and starts anew", task=arn)
                await asyncio.sleep(_RUNNER_PAUSE)
            else:
                break
        self._tools.records.keep(runner.record)
        del self._runners[arn], self._running[arn]
        self._finished[arn] = runner.record

    def _put_credentials(self, record: TaskRecord) -> None:
        self._tools.credentials.put_application(record.task.arn, record.task.role_credentials)
        self._tools.credentials.put_execution(record.task.arn, record.task.execution_role_credentials)

    async def _resume(self) -> None:
        found = {status.id: status for status in await while_away(self._tools.runtime.list)}
        known: set[str] = set()
        for record in self._tools.records.load():
            known.add(record.id)
            if record.finished:
                self._finished[record.task.arn] = record
                continue
            if record.network is Resource.READY and not await self._tools.networks.exists(record.id):
                record.network = Resource.MISSING
            runner = self._begin(record)
            runner.resume(found)
        for task_id in {status.task_id for status in found.values()} - known:
            log.warning("containers without a checkpoint are removed", task_id=task_id)
            try:
                await while_away(lambda task_id=task_id: self._tools.runtime.remove_task(task_id))
            except RuntimeFault as error:
                log.warning("something of a task without a checkpoint stays", task_id=task_id, error=str(error))
        await self._tools.networks.strays(frozenset(known))

    async def _follow_exits(self) -> None:
        async for ended in self._tools.runtime.watch_exits():
            for runner in list(self._runners.values()):
                if runner.record.id == ended.task_id:
                    runner.on_exit(ended)

    async def _catch_up(self) -> None:
        while True:
            await asyncio.sleep(_CATCH_UP_EVERY)
            self._tools.records.catch_up()

    async def _forget_old(self) -> None:
        while True:
            horizon = self._tools.now() - self._tools.settings.finished_retention
            for arn, record in list(self._finished.items()):
                if (record.stopped_at or record.received_at) < horizon:
                    self._tools.records.remove(record)
                    del self._finished[arn]
            await asyncio.sleep(_FORGET_EVERY)

    async def _remove_images(self) -> None:
        settings = self._tools.settings
        while True:
            await asyncio.sleep(settings.image_cleanup_interval)
            pulled = (record.pulled_image(name) for record in self.records() for name in record.containers)
            keep = {image for image in pulled if image is not None}
            try:
                removed = await self._tools.runtime.remove_unused_images(keep, settings.image_unused_for)
            except RuntimeFault as error:
                log.warning("unused images are not removed now", error=str(error))
            else:
                if removed:
                    log.info("unused images are removed", images=removed)
