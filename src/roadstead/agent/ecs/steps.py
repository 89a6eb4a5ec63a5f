"""Carrying out one step of a task. Faults become `StepFailed` with the reason that ECS shows."""

from __future__ import annotations

import asyncio
import signal as signals
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import structlog

from roadstead.agent.client.retry import FAILING_SECONDS, UNCONNECTED, Backoff, Patience
from roadstead.agent.ecs.files import TaskFiles
from roadstead.agent.ecs.launch import (
    DEFAULT_STOP_TIMEOUT,
    Launch,
    container_spec,
    environment,
    isolation_of,
    runtime_id,
    task_spec,
)
from roadstead.agent.ecs.network import InterfaceTimeout, NetworkPlan, plan_network
from roadstead.agent.ecs.network.plan import InvalidInterface
from roadstead.agent.ecs.output import OutputUnavailable
from roadstead.agent.ecs.records import TaskRecord
from roadstead.agent.ecs.registry_auth import AuthorizationFailed
from roadstead.agent.ecs.tools import Tools
from roadstead.agent.runtime.errors import (
    CannotCreateContainer,
    CannotPullContainer,
    CannotStartContainer,
    ContainerdUnavailable,
    NotFound,
    PullDenied,
    RegistryAway,
    RegistryUnreachable,
    RuntimeFault,
)
from roadstead.agent.runtime.model import Image, Mount, Output
from roadstead.core.taskengine.model import Desired
from roadstead.wire.task import Container

log = structlog.get_logger(__name__)
T = TypeVar("T")

_AWAY = Backoff(first=0.1, limit=5.0)
_REGISTRY_FAILS = Backoff(first=0.5, limit=10.0, jitter=0.2)


class StepFailed(Exception):
    """A step can't be done; with `whole_task` the reason is the task's, not only the container's.

    A reason may quote an image's configuration, whose JSON can have halves of surrogate pairs: a record could not be written with one.
    """

    def __init__(self, reason: str, *, whole_task: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason.encode(errors="replace").decode()
        self.whole_task = whole_task


class Steps:
    """The steps of one task. They change nothing in the record but what they say."""

    def __init__(self, tools: Tools, record: TaskRecord, launches: dict[str, Launch]) -> None:
        self._tools = tools
        self._record = record
        self._launches = launches
        self._files = TaskFiles(tools.settings.files, record.id)
        self._images: dict[str, Image] = {}
        self._opening = asyncio.Lock()
        self._opened = False
        self.half_made: set[str] = set()
        """Containers that an earlier agent began to make and died before it could say so."""
        self._plan = self._network_plan()

    async def network(self) -> None:
        """The interfaces, in the task's namespace."""
        if isinstance(self._plan, StepFailed):
            raise self._plan
        try:
            await self._open_namespace()
            await self._tools.networks.make(self._record.id, self._record.link_address, self._plan)
        except InterfaceTimeout as error:
            log.warning("interface did not appear", task=self._record.task.arn, error=str(error))
            raise StepFailed(
                "Timeout waiting for network interface provisioning to complete.", whole_task=True
            ) from error
        except OSError as error:
            raise StepFailed(
                f"ResourceInitializationError: failed to set up the task's network: {error}", whole_task=True
            ) from error

    async def sandbox(self) -> None:
        """What the containers share in the runtime; the interfaces may be on their way still."""
        if isinstance(self._plan, StepFailed):
            raise self._plan
        task = self._record.task
        spec = task_spec(
            task,
            isolation=self._record.isolation or isolation_of(task, self._tools.fargate_runtime()),
            namespace=self._tools.networks.path(self._record.id),
            hostname=self._hostname,
        )
        try:
            await self._open_namespace()
            await while_away(lambda: self._tools.runtime.create_task(spec))
        except (RuntimeFault, OSError) as error:
            raise StepFailed(
                f"ResourceInitializationError: failed to create the task's sandbox: {error}", whole_task=True
            ) from error

    async def pull(self, name: str) -> None:
        """The image, and meanwhile the log stream. Sets the container's digest and stop signal."""
        container = self._record.containers[name]
        container.runtime_id = self.identity(name)
        image = await beside(self._open_output(name), self._image(name))
        container.image_digest = image.digest
        container.stop_signal = stop_signal(image.config.stop_signal)

    def has_image(self, name: str) -> bool:
        """Whether `pull` was done."""
        return name in self._images

    async def create(self, name: str) -> None:
        """The container, up to its first instruction; takes away what an earlier attempt left. `pull` comes first."""
        task, container, launch = self._record.task, self._record.containers[name], self._launches[name]
        container.runtime_id = self.identity(name)
        image, output = self._images[name], await self._open_output(name)
        try:
            mounts = await asyncio.to_thread(self._mounts, name)
            if container.runtime_id in self.half_made:
                await while_away(lambda: self._tools.runtime.remove(container.runtime_id))
                self.half_made.discard(container.runtime_id)
            spec = container_spec(
                task,
                launch,
                identity=container.runtime_id,
                image=image,
                output=output,
                mounts=mounts,
                variables=environment(task, launch, task_endpoint=self._tools.settings.task_endpoint),
                hostname=self._hostname,
            )

            async def make() -> None:
                try:
                    await self._tools.runtime.create(spec)
                except ContainerdUnavailable:
                    await while_away(lambda: self._tools.runtime.remove(spec.id))
                    raise

            await while_away(make, until=self._is_unwanted)
        except (CannotCreateContainer, CannotStartContainer) as error:
            raise StepFailed(str(error)) from error
        except (RuntimeFault, OSError, msgspec.MsgspecError) as error:
            raise StepFailed(f"CannotCreateContainerError: {error}") from error

    async def start(self, name: str) -> None:
        """The container's process."""
        identity = self._record.containers[name].runtime_id

        async def begin() -> None:
            await self._tools.runtime.renew_sandbox(self._record.id, self.network)
            await self._tools.runtime.start(identity)

        try:
            await while_away(begin, until=self._is_unwanted)
        except (CannotCreateContainer, CannotStartContainer) as error:
            raise StepFailed(str(error)) from error
        except RuntimeFault as error:
            raise StepFailed(f"CannotStartContainerError: {error}") from error

    async def stop(self, name: str) -> None:
        """The container's end: its stop signal, its stop timeout, SIGKILL. No error if it is gone."""
        container, launch = self._record.containers[name], self._launches.get(name)
        # An agent that can't read the task any more ends what an earlier one started.
        grace = launch.stop_timeout if launch is not None else DEFAULT_STOP_TIMEOUT

        async def end() -> None:
            try:
                await self._tools.runtime.stop(container.runtime_id, signal=container.stop_signal, grace=grace)
            except NotFound:
                log.info("nothing to stop", container=container.runtime_id)

        await while_away(end)

    async def clean(self, identity: str) -> None:
        """Remove an ended container and carry on the rest of its output."""
        await while_away(lambda: self._tools.runtime.remove(identity))
        await self._tools.output.close(identity)

    def identity(self, name: str) -> str:
        """What a container is called at the runtime, in the attempt to run it that it has come to."""
        return runtime_id(self._record.task, name, self._record.containers[name].attempt)

    def follow_again(self, name: str) -> None:
        """Carry on the output of a container that was made before this agent started."""
        if name in self._launches:
            self._tools.output.resume(self._record.task, self._launches[name], self._record.containers[name].runtime_id)

    async def release(self) -> None:
        """Free everything that the task still holds."""
        record = self._record
        await while_away(lambda: self._tools.runtime.remove_task(record.id))
        await self._tools.networks.free(record.id, record.link_address)
        await asyncio.to_thread(self._files.remove)

    async def _open_namespace(self) -> None:
        """The empty namespace, by whichever step comes first."""
        async with self._opening:
            if not self._opened:
                await self._tools.networks.open(self._record.id)
                self._opened = True

    def _is_unwanted(self) -> bool:
        """Whether the task shall stop: what could not be made or started yet need not be any more."""
        return self._record.desired is Desired.STOPPED

    def _mounts(self, name: str) -> tuple[Mount, ...]:
        """A container's mounts, and the files of its own among them."""
        launch = self._launches[name]
        if isinstance(self._plan, NetworkPlan):
            self._files.write(self._plan, name, launch)
        return self._files.mounts(self._record.task, self._launches, name)

    @property
    def files(self) -> TaskFiles:
        """The task's directory."""
        return self._files

    @property
    def _hostname(self) -> str:
        return self._plan.hostname if isinstance(self._plan, NetworkPlan) else ""

    def _network_plan(self) -> NetworkPlan | StepFailed | None:
        if self._record.task.network_mode == "none":
            return None
        try:
            return plan_network(
                self._record.task.elastic_network_interfaces, default_nameserver=self._tools.settings.nameserver
            )
        except InvalidInterface as error:
            return StepFailed(f"ResourceInitializationError: {error}", whole_task=True)

    async def _image(self, name: str) -> Image:
        container = self._launches[name].container
        reference = self._record.pulled_image(name) or container.image
        try:
            image = await self._pull(container, reference)
        except CannotPullContainer as error:
            raise StepFailed(str(error)) from error
        except AuthorizationFailed as error:
            raise StepFailed(str(error), whole_task=True) from error
        except RuntimeFault as error:
            raise StepFailed(f"CannotPullContainerError: {error}") from error
        self._images[name] = image
        return image

    async def _pull(self, container: Container, reference: str) -> Image:
        patience = Patience(FAILING_SECONDS)
        away, attempt = False, 0
        refused: str | None = None
        while True:
            header = await self._tools.registry.header(self._record.task, container, refused)
            try:
                return await while_away(lambda: self._tools.runtime.ensure_image(reference, header))  # noqa: B023 - awaited here
            except PullDenied:
                refused = header
                if await self._tools.registry.header(self._record.task, container, refused) == refused:
                    raise
                continue
            except RegistryAway as error:
                if not away:
                    log.info("the server is away", image=container.image, error=str(error))
                patience.renew()
                away, attempt = True, 0
                await asyncio.sleep(UNCONNECTED)
            except RegistryUnreachable as error:
                if patience.is_over(asyncio.get_running_loop().time()):
                    raise
                log.info("registry fails", image=container.image, error=str(error))
                await asyncio.sleep(_REGISTRY_FAILS.delay(attempt))
                away, attempt = False, attempt + 1

    async def _open_output(self, name: str) -> Output:
        try:
            return await self._tools.output.open(
                self._record.task, self._launches[name], self._record.containers[name].runtime_id
            )
        except OutputUnavailable as error:
            raise StepFailed(str(error), whole_task=True) from error


async def beside(other: Coroutine[Any, Any, object], work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, once `other` has ended as well; whichever fails first ends both and its error is raised as it is."""
    tasks = asyncio.create_task(other), asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return tasks[1].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def while_away(call: Callable[[], Awaitable[T]], *, until: Callable[[], bool] = bool) -> T:
    """Repeat a call for as long as containerd does not answer; an attempt that fails once `until` is true is the last."""
    attempt = 0
    while True:
        try:
            return await call()
        except ContainerdUnavailable as error:
            log.info("containerd is away", error=str(error))
            if until():
                raise
            await asyncio.sleep(_AWAY.delay(attempt))
            attempt += 1


def stop_signal(text: str) -> int:
    """The number of an image's STOPSIGNAL (`SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`); SIGTERM for what is none, which no engine would send."""
    name = text.strip().upper().removeprefix("SIG")
    base, _, offset = name.partition("+")
    try:
        number = int(name) if name.isdecimal() else signals.Signals[f"SIG{base}"].value + int(offset or 0)
    except (KeyError, ValueError):
        return signals.SIGTERM.value
    return number if signals.SIGHUP <= number <= signals.SIGRTMAX else signals.SIGTERM.value
