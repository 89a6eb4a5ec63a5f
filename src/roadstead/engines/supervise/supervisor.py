"""Keeps a set of processes running, in order, and finds them again after our own death."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from roadstead.engines.supervise.child import Child
from roadstead.engines.supervise.lifecycle import ENDED, State
from roadstead.engines.supervise.lock import data_lock
from roadstead.engines.supervise.logs import Rotation, tail
from roadstead.engines.supervise.order import dependents, start_order
from roadstead.engines.supervise.process import boot_id, identify
from roadstead.engines.supervise.record import ChildRecord, Record, read_record, remove_record, write_record
from roadstead.engines.supervise.spec import ProcessSpec
from roadstead.engines.supervise.status import Status
from roadstead.engines.supervise.survivors import end_survivors

_HOUSEKEEPING_SECONDS = 10.0


class ProcessFailed(Exception):
    """A process can't be kept running; the message holds the reason and the last lines that it wrote."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        lines = tail(log)
        told = "".join(f"\n    {line}" for line in lines) if lines else " (it wrote nothing)"
        super().__init__(f"{name} failed: {reason}; see {log}{told}")
        self.name = name
        self.reason = reason


class Supervisor:
    """The supervisor of one data directory: state in DATA/supervisor.json, output in DATA/logs/NAME.log.

    Every process lives in a session of its own, so that our death, however sudden, takes none along. The next supervisor
    adopts those whose specification is the same and replaces the others. What was ready once under the same specification
    is started again until it is, also when it died with the supervisor; a first start that comes to nothing is an error.
    `on_change` is told each change of state.
    """

    def __init__(
        self,
        data: Path,
        specs: Sequence[ProcessSpec],
        *,
        rotation: Rotation = Rotation(),  # noqa: B008 - frozen
        on_change: Callable[[ChildRecord], None] | None = None,
    ) -> None:
        """Raises InvalidOrder when the dependencies of `specs` can't be followed."""
        self._data = data
        self._rotation = rotation
        self._on_change = on_change
        by_name = {spec.name: spec for spec in specs}
        if len(by_name) != len(specs):
            raise ValueError("two processes have one name")
        needs = {spec.name: spec.depends_on for spec in specs}
        self._needed_by = dependents(needs)
        self._children = {name: self._child(by_name[name]) for name in start_order(needs)}
        self._held = contextlib.AsyncExitStack()
        self._taken = False
        self._identity = None
        self._recording = False
        self._fault = ""
        self._persistent = True

    async def take(self) -> None:
        """Take the data directory, unless that is done; until `stop` or `release` it is ours. Raises AlreadySupervised."""
        if not self._taken:
            await self._held.enter_async_context(data_lock(self._data))
            self._taken = True

    async def start(self) -> None:
        """Take the data directory, adopt or end what an earlier supervisor left, start the rest; return when all is ready.

        Raises AlreadySupervised, and ProcessFailed once a process is given up, after stopping everything again.
        """
        await self.take()
        try:
            await self._meet_survivors()
            self._recording = True
            self._save()
            async with asyncio.TaskGroup() as group:
                for child in self._children.values():
                    group.create_task(self._bring_up(child))
        except BaseExceptionGroup as several:
            await self.stop()
            failed, _ = several.split(ProcessFailed)
            if failed is None:
                raise
            raise _first(failed) from None
        except BaseException:
            await self.stop()
            raise

    def lose_patience(self) -> None:
        """Give up soon what does not get ready, as on a first start: it took too long, or somebody waits in order to stop everything."""
        self._persistent = False
        for child in self._children.values():
            child.forget_past()

    async def stop(self) -> None:
        """Stop everything, each after all that depend on it, and give the data directory free.

        Also what an earlier supervisor left, when we were told to stop before we had met all of it.
        """
        async with asyncio.TaskGroup() as group:
            for child in self._children.values():
                group.create_task(self._bring_down(child))
        if self._taken:
            if not self._recording and (before := read_record(self._data)) is not None:
                await end_survivors(before.children)
            self._recording = False
            remove_record(self._data)
        await self.release()

    async def release(self) -> None:
        """Give the data directory free and leave all processes running, for the next supervisor to adopt."""
        self._recording = False
        for child in self._children.values():
            await child.release()
        await self._held.aclose()
        self._taken = False

    async def run_until(self, event: asyncio.Event) -> None:
        """Keep everything running until the event is set; raises ProcessFailed once a process is given up.

        Either way everything still runs afterwards: `stop` follows.
        """
        loop_tasks: set[asyncio.Task[object]] = {
            asyncio.create_task(event.wait()),
            asyncio.create_task(self._keep_house()),
            *(asyncio.create_task(self._until_given_up(child)) for child in self._children.values()),
        }
        try:
            done, _ = await asyncio.wait(loop_tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in loop_tasks:
                task.cancel()
            await asyncio.wait(loop_tasks)

    def status(self) -> Status:
        """How everything stands now."""
        return Status(supervisor=os.getpid(), children=self._records(), fault=self._fault)

    def log_path(self, name: str) -> Path:
        """The file that the process of this name writes to."""
        return log_path(self._data, name)

    def _child(self, spec: ProcessSpec) -> Child:
        return Child(spec, log_path(self._data, spec.name), lambda: self._changed(spec.name))

    def _changed(self, name: str) -> None:
        self._save()
        if self._on_change is not None:
            self._on_change(self._children[name].record())

    def _records(self) -> tuple[ChildRecord, ...]:
        return tuple(child.record() for child in self._children.values())

    def _save(self) -> None:
        """Write the record; a full disk stops nothing that runs, it is shown in the status and tried again."""
        if not self._recording:
            return
        us = identify(os.getpid())
        assert us is not None
        try:
            write_record(self._data, Record(boot_id=boot_id(), supervisor=us, children=self._records()))
        except OSError as error:
            self._fault = f"the state of processes can't be recorded: {error}"
        else:
            self._fault = ""

    async def _meet_survivors(self) -> None:
        before = read_record(self._data)
        if before is None:
            return
        same, others = list[ChildRecord](), list[ChildRecord]()
        for record in before.children:
            child = self._children.get(record.name)
            fits = child is not None and child.spec.fingerprint == record.fingerprint
            (same if fits else others).append(record)
        await end_survivors(others)
        for record in same:
            child = self._children[record.name]
            child.recall(was_ready=record.was_ready, restarts=record.restarts)
            alive = record.process is not None and child.adopt(record.process)
            if not (alive or self._persistent):
                child.forget_past()

    async def _bring_up(self, child: Child) -> None:
        for needed in () if child.spec.patient else child.spec.depends_on:
            await self._children[needed].until(State.READY)
        child.start()
        if await child.until(State.READY, *ENDED) is State.FAILED:
            raise self._failure(child)

    async def _bring_down(self, child: Child) -> None:
        for name in self._needed_by[child.spec.name]:
            await self._children[name].until(State.STOPPED)
        child.stop()
        await child.until(State.STOPPED)

    async def _until_given_up(self, child: Child) -> None:
        await child.until(State.FAILED)
        raise self._failure(child)

    def _failure(self, child: Child) -> ProcessFailed:
        return ProcessFailed(child.spec.name, child.record().reason, child.log)

    async def _keep_house(self) -> None:
        while True:
            if self._fault:
                self._save()
            for child in self._children.values():
                try:
                    await asyncio.to_thread(self._rotation.rotate, child.log)
                except OSError as error:
                    self._fault = f"{child.log} can't be rotated: {error}"
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)


def log_path(data: Path, name: str) -> Path:
    """The log of the process `name` under the data directory."""
    return data / "logs" / f"{name}.log"


def _first(group: BaseExceptionGroup[ProcessFailed]) -> ProcessFailed:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
