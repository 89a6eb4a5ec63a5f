"""From spool files to a sender: follow, split, batch, send until it is taken, remember, free."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from roadstead.agent.ecs.logs.batch import LogEvent, batches
from roadstead.agent.ecs.logs.bound import DEFAULT_BOUND, enforce_bound, load_bound, save_bound
from roadstead.agent.ecs.logs.inotify import IN_MODIFY, Inotify
from roadstead.agent.ecs.logs.lines import LineSplitter
from roadstead.agent.ecs.logs.spool import STREAMS, SpoolFile, SpoolPaths, load_checkpoint, save_checkpoint

log = structlog.get_logger(__name__)

Put = Callable[[Sequence[LogEvent]], Awaitable[None]]
"""Sends one batch, in order. Returns when it is taken; raises PutFailed or PutRejected."""

_READ = 512 << 10
"""Bytes of a stream between two checkpoints: what a kill of the agent can send twice."""
_GATHER = 0.25
"""Seconds in which lines gather before they are sent."""
_FREE_STEP = 1 << 20
_FIRST_RETRY = 0.2
_LAST_RETRY = 10.0
_LAST_WORDS = 600.0
"""Seconds for which what a container left behind is sent again while it is refused; afterwards it is dropped."""


class PutFailed(Exception):
    """The batch was not taken now; sending it again may work. `refused` says that there was an answer, and it was no."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class PutRejected(Exception):
    """The batch will never be taken."""


@dataclass
class _Stream:
    file: SpoolFile
    splitter: LineSplitter
    freed: int = 0


@dataclass
class _Tail:
    """One container's output being followed."""

    paths: SpoolPaths
    put: Put
    streams: dict[str, _Stream]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    finishing: asyncio.Event = field(default_factory=asyncio.Event)
    watches: list[int] = field(default_factory=list[int])
    task: asyncio.Task[None] | None = None
    refused_since: float | None = None

    def is_hopeless(self, *, refused: bool) -> bool:
        """Whether an ended container's output was refused for so long that it won't be taken any more."""
        now = asyncio.get_running_loop().time()
        if not refused or not self.finishing.is_set():
            self.refused_since = None
        elif self.refused_since is None:
            self.refused_since = now
        return self.refused_since is not None and now - self.refused_since > _LAST_WORDS


class Shipper:
    """Ships the output of all of an agent's containers below `directory`; `bound` is per stream, in bytes, where a container has none.

    Each line is sent at least once. It is sent twice when the agent is killed between a batch's taking and its checkpoint.
    """

    def __init__(self, directory: Path, bound: int = DEFAULT_BOUND) -> None:
        self._directory = directory
        self._bound = bound
        self._tails: dict[str, _Tail] = {}
        self._by_watch: dict[int, _Tail] = {}
        self._inotify = Inotify()
        asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._changed)

    def paths(self, container_id: str) -> SpoolPaths:
        """Where a container's output lies: what its `Output` names."""
        return SpoolPaths(self._directory / container_id)

    def left_behind(self) -> list[str]:
        """Containers with output on disk that nobody follows: those of an agent that was killed."""
        if not self._directory.exists():
            return []
        return sorted(entry.name for entry in self._directory.iterdir() if entry.name not in self._tails)

    def follow(self, container_id: str, put: Put, *, bound: int | None = None) -> None:
        """Ship a container's output from its checkpoint on, until `finish`; `bound` is its own, in bytes. Raises OSError."""
        paths = self.paths(container_id)
        paths.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if bound is not None:
            save_bound(paths.directory, bound)
        shipped = load_checkpoint(paths.checkpoint)
        streams: dict[str, _Stream] = {}
        with ExitStack() as undo:
            for name in STREAMS:
                path = paths.directory / name
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
                streams[name] = _Stream(SpoolFile(path, shipped[name]), LineSplitter(shipped[name]))
                undo.callback(streams[name].file.close)
            watches = [self._inotify.watch(paths.directory / name, IN_MODIFY) for name in STREAMS]
            undo.pop_all()
        tail = _Tail(paths, put, streams, watches=watches)
        self._by_watch.update(dict.fromkeys(tail.watches, tail))
        self._tails[container_id] = tail
        tail.wake.set()
        tail.task = asyncio.create_task(self._run(tail), name=f"output of {container_id}")

    async def finish(self, container_id: str) -> None:
        """Ship what is left, then delete the files. For after `Runtime.remove`, when nothing writes any more.

        Lasts as long as the sender fails; cancelling it leaves the shipping to go on.
        """
        tail = self._tails.get(container_id)
        if tail is None or tail.task is None:
            return
        tail.finishing.set()
        tail.wake.set()
        await asyncio.shield(tail.task)
        self._forget(container_id)
        await asyncio.to_thread(shutil.rmtree, tail.paths.directory, ignore_errors=True)

    async def close(self) -> None:
        """Stop following everything; the files and checkpoints stay for the next agent."""
        for container_id, tail in list(self._tails.items()):
            if tail.task is not None:
                tail.task.cancel()
                await asyncio.wait([tail.task])
            self._forget(container_id)
        asyncio.get_running_loop().remove_reader(self._inotify.fileno())
        self._inotify.close()

    def _forget(self, container_id: str) -> None:
        tail = self._tails.pop(container_id, None)
        if tail is None:
            return
        for watch in tail.watches:
            self._inotify.unwatch(watch)
            self._by_watch.pop(watch, None)
        for stream in tail.streams.values():
            stream.file.close()

    def _changed(self) -> None:
        for watch in self._inotify.changed():
            if (tail := self._by_watch.get(watch)) is not None:
                tail.wake.set()

    async def _run(self, tail: _Tail) -> None:
        while True:
            await tail.wake.wait()
            tail.wake.clear()
            last = tail.finishing.is_set()
            while await self._ship_some(tail):
                pass
            if last:
                await self._send(tail, [line for name in STREAMS for line in _rest(tail.streams[name])])
                self._remember(tail)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_GATHER):
                    await tail.finishing.wait()

    async def _ship_some(self, tail: _Tail) -> bool:
        """Read once from each stream and send it; whether there was anything."""
        events: list[LogEvent] = []
        found = False
        for name, stream in tail.streams.items():
            before = stream.file.offset
            data, written = stream.file.read(_READ)
            if stream.file.offset - len(data) != before:
                stream.splitter.skip_to(stream.file.offset - len(data))
                log.warning(
                    "container output was dropped", path=str(stream.file.path), bytes=stream.file.dropped, stream=name
                )
            found = found or bool(data)
            events += [LogEvent(written, line.text) for line in stream.splitter.feed(data)]
        if found:
            await self._send(tail, events)
            self._remember(tail)
        return found

    async def _send(self, tail: _Tail, events: list[LogEvent]) -> None:
        for batch in batches(events):
            wait = _FIRST_RETRY
            while True:
                try:
                    await tail.put(batch)
                    tail.refused_since = None
                    break
                except PutRejected as error:
                    log.warning(
                        "container output was refused",
                        path=str(tail.paths.directory),
                        events=len(batch),
                        reason=str(error),
                    )
                    break
                except PutFailed as error:
                    log.info("container output waits", path=str(tail.paths.directory), reason=str(error))
                    if tail.is_hopeless(refused=error.refused):
                        log.warning("container output is given up", path=str(tail.paths.directory), events=len(batch))
                        break
                self._enforce(tail)
                await asyncio.sleep(wait)
                wait = min(_LAST_RETRY, wait * 2)

    def _remember(self, tail: _Tail) -> None:
        offsets = {name: stream.splitter.offset for name, stream in tail.streams.items()}
        with _disk_trouble(tail):  # what is not remembered is sent twice, should the agent be killed now
            save_checkpoint(tail.paths.checkpoint, offsets)
        with _disk_trouble(tail):
            for stream in tail.streams.values():
                if stream.splitter.offset - stream.freed >= _FREE_STEP:
                    stream.file.free(stream.splitter.offset)
                    stream.freed = stream.splitter.offset
        self._enforce(tail)

    def _enforce(self, tail: _Tail) -> None:
        with _disk_trouble(tail):
            bound = load_bound(tail.paths.directory, self._bound)
            for name in STREAMS:
                enforce_bound(tail.paths.directory / name, bound)


@contextmanager
def _disk_trouble(tail: _Tail) -> Generator[None]:
    """A disk that is full, or can't free parts of files, does not end the shipping."""
    try:
        yield
    except OSError as error:
        log.warning("the spool can't be kept in order", path=str(tail.paths.directory), error=str(error))


def _rest(stream: _Stream) -> list[LogEvent]:
    _, written = stream.file.read(0)
    return [LogEvent(written, line.text) for line in stream.splitter.finish()]
