"""The awslogs driver: containers' output to CloudWatch Logs, with the keys of the task's execution role.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog

from roadstead.agent.client import ApiClient, ApiError, ApiRefused, Credentials, CredentialSource
from roadstead.agent.client.retry import FAILING_SECONDS
from roadstead.agent.ecs.credentials import CredentialStore, ExecutionCredentials, MissingExecutionRole, keys
from roadstead.agent.ecs.launch import Launch, UnusableTask, read_task
from roadstead.agent.ecs.launch import runtime_id as make_runtime_id
from roadstead.agent.ecs.logs.batch import LogEvent
from roadstead.agent.ecs.logs.shipper import PutFailed, PutRejected, Shipper
from roadstead.agent.ecs.output import OutputUnavailable
from roadstead.agent.ecs.records import TaskRecord, task_id
from roadstead.agent.runtime.model import Output
from roadstead.core.taskdef.awslogs import DRIVER, InvalidBufferSize, buffer_size, unbuilt_options
from roadstead.wire.task import Task

log = structlog.get_logger(__name__)

_INVALID = "ResourceInitializationError: failed to validate logger args: "
_PREFIX = f"{_INVALID}create stream has been retried 1 times: failed to create Cloudwatch log stream: "
_REJECTED = frozenset({"InvalidParameterException", "DataAlreadyAcceptedException"})
_PUT_PATIENCE = 30.0
"""Seconds for a batch, until the shipper's own waits."""
_CLOSE_PATIENCE = 10.0
"""Seconds that the end of a container waits for its output to be taken; afterwards it is carried on beside."""


class _LastKnown:
    """The execution role's keys, also shortly after the task is forgotten: its last lines may still be on their way.

    Of a task that an earlier agent finished nothing is known but what its record says, which is `first`.
    """

    def __init__(self, source: CredentialSource, first: Credentials | None) -> None:
        self._source = source
        self._last = first

    def current(self) -> Credentials:
        """The newest keys; raises MissingExecutionRole."""
        try:
            self._last = self._source.current()
        except MissingExecutionRole:
            if self._last is None:
                raise
        return self._last


class AwsLogs:
    """An `OutputSink` over the spool. Containers without a log driver are spooled and their output is dropped."""

    def __init__(self, api: ApiClient, credentials: CredentialStore, shipper: Shipper) -> None:
        self._api = api
        self._credentials = credentials
        self._shipper = shipper
        self._open: set[str] = set()
        self._closing: dict[str, asyncio.Task[None]] = {}

    async def open(self, task: Task, launch: Launch, runtime_id: str) -> Output:
        """Make the stream (and the group where the definition says so), then follow the files."""
        paths = self._shipper.paths(runtime_id)
        output = Output(paths.stdout, paths.stderr)
        if runtime_id in self._open:
            return output
        if launch.log_config.type == DRIVER:
            stream = self._stream(task, launch, runtime_id)
            try:
                await stream.create(patient=True)
            except (ApiError, MissingExecutionRole) as error:
                raise OutputUnavailable(f"{_PREFIX}{error}") from error
            self._follow(runtime_id, stream)
        else:
            self._follow(runtime_id, None)
        return output

    def resume(self, task: Task, launch: Launch, runtime_id: str) -> None:
        """Follow again, from where an earlier agent had come. What has no log stream, because its options are wrong, never ran.

        What can't be followed, as for a disk that is full, is left to the next agent.
        """
        if runtime_id in self._open:
            return
        stream = None
        if launch.log_config.type == DRIVER:
            try:
                stream = self._stream(task, launch, runtime_id)
            except OutputUnavailable as error:
                log.info("nothing to carry on", container=runtime_id, reason=str(error))
        self._follow_again(runtime_id, stream)

    async def close(self, runtime_id: str) -> None:
        """Carry on what is left, for a few seconds here and then beside."""
        if runtime_id not in self._open:
            return
        closing = self._closing.get(runtime_id)
        if closing is None:
            closing = asyncio.create_task(self._finish(runtime_id), name=f"last output of {runtime_id}")
            self._closing[runtime_id] = closing
        done, _ = await asyncio.wait([closing], timeout=_CLOSE_PATIENCE)
        if not done:
            log.warning("output is still on its way", container=runtime_id)

    def adopt(self, records: Iterable[TaskRecord]) -> None:
        """Carry on what an earlier agent did not get rid of for containers that are gone; drop what belongs to no task."""
        owners: dict[str, tuple[Task, Launch]] = {}
        for record in records:
            try:
                launches = read_task(record.task)
            except UnusableTask:
                continue
            for name, container in record.containers.items():
                for attempt in range(container.attempt + 1):
                    owners[make_runtime_id(record.task, name, attempt)] = (record.task, launches[name])
        for runtime_id in self._shipper.left_behind():
            if (owner := owners.get(runtime_id)) is None:
                self._follow_again(runtime_id, None)
            else:
                self.resume(*owner, runtime_id)
            if runtime_id not in self._open:
                continue
            self._closing[runtime_id] = asyncio.create_task(
                self._finish(runtime_id), name=f"old output of {runtime_id}"
            )

    async def aclose(self) -> None:
        """Stop following; the next agent carries on."""
        for task in self._closing.values():
            task.cancel()
        await asyncio.gather(*self._closing.values(), return_exceptions=True)
        await self._shipper.close()

    async def _finish(self, runtime_id: str) -> None:
        try:
            await self._shipper.finish(runtime_id)
            self._open.discard(runtime_id)
        finally:
            self._closing.pop(runtime_id, None)

    def _follow(self, runtime_id: str, stream: _Stream | None) -> None:
        if runtime_id not in self._open:
            self._shipper.follow(runtime_id, stream.put if stream else _drop, bound=stream.buffer if stream else None)
            self._open.add(runtime_id)

    def _follow_again(self, runtime_id: str, stream: _Stream | None) -> None:
        try:
            self._follow(runtime_id, stream)
        except OSError as error:
            log.warning("output is not carried on", container=runtime_id, reason=str(error))

    def _stream(self, task: Task, launch: Launch, runtime_id: str) -> _Stream:
        options = launch.log_config.config
        if unbuilt := unbuilt_options(options):
            raise OutputUnavailable(f"{_INVALID}log option {unbuilt[0]} is not supported by this agent")
        try:
            buffer = buffer_size(options)
        except InvalidBufferSize as error:
            raise OutputUnavailable(f"{_INVALID}max-buffer-size: {error}") from error
        prefix = options.get("awslogs-stream-prefix", "")
        name = f"{prefix}/{launch.container.name}/{task_id(task.arn)}" if prefix else runtime_id
        return _Stream(
            self._api,
            _LastKnown(ExecutionCredentials(self._credentials, task.arn), keys(task.execution_role_credentials)),
            region=options.get("awslogs-region") or None,
            group=options.get("awslogs-group", ""),
            name=options.get("awslogs-stream") or name,
            create_group=options.get("awslogs-create-group", "false").lower() == "true",
            buffer=buffer,
        )


async def _drop(batch: Sequence[LogEvent]) -> None:
    del batch


class _Stream:
    """One log stream of CloudWatch Logs."""

    def __init__(
        self,
        api: ApiClient,
        credentials: CredentialSource,
        *,
        region: str | None,
        group: str,
        name: str,
        create_group: bool,
        buffer: int | None,
    ) -> None:
        self._api = api
        self._credentials = credentials
        self._region = region
        self._group = group
        self._name = name
        self._create_group = create_group
        self.buffer = buffer
        """Bytes of each of the two streams that wait for being taken; None leaves it to the shipper."""

    async def create(self, *, patient: bool = False) -> None:
        """Make it unless it is there; raises ApiError and MissingExecutionRole. With `patient` a server that is away is waited for."""
        names = {"logGroupName": self._group, "logStreamName": self._name}
        try:
            await self._call("CreateLogStream", names, patient=patient)
        except ApiRefused as error:
            if error.code == "ResourceAlreadyExistsException":
                return
            if error.code != "ResourceNotFoundException" or not self._create_group:
                raise
            await self._make_group(patient=patient)
            await self.create(patient=patient)

    async def put(self, batch: Sequence[LogEvent]) -> None:
        """Send one batch; a stream that someone deleted is made again."""
        request: dict[str, object] = {
            "logGroupName": self._group,
            "logStreamName": self._name,
            "logEvents": [{"timestamp": event.timestamp, "message": event.message} for event in batch],
        }
        try:
            try:
                await self._call("PutLogEvents", request)
            except ApiRefused as error:
                if error.code != "ResourceNotFoundException":
                    raise
                await self.create()
                await self._call("PutLogEvents", request)
        except ApiRefused as error:
            if error.code in _REJECTED:
                raise PutRejected(str(error)) from error
            raise PutFailed(str(error), refused=True) from error
        except ApiError as error:
            raise PutFailed(str(error)) from error
        except MissingExecutionRole as error:
            raise PutRejected(str(error)) from error

    async def _make_group(self, *, patient: bool) -> None:
        try:
            await self._call("CreateLogGroup", {"logGroupName": self._group}, patient=patient)
        except ApiRefused as error:
            if error.code != "ResourceAlreadyExistsException":
                raise

    async def _call(self, operation: str, request: Mapping[str, object], *, patient: bool = False) -> None:
        await self._api.call(
            "logs",
            operation,
            request,
            dict[str, object],
            credentials=self._credentials,
            region=self._region,
            deadline=FAILING_SECONDS if patient else _PUT_PATIENCE,
            patient=patient,
        )
