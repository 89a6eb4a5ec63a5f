"""A deployment's life under its supervisor: coming up, running, going down; and going down after its supervisor died."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from roadstead.agent.runtime import config as containerd
from roadstead.agent.runtime.config import RuntimeSettings
from roadstead.cli.failure import CommandFailed
from roadstead.cli.installed import installed_engines
from roadstead.cli.port import port_problem
from roadstead.cli.processes import SERVER, runtime_settings, specs, without_server
from roadstead.cli.profile import write_profile
from roadstead.cli.settings import Config, write_config
from roadstead.cli.teardown import containers_run, free_host, stop_and_free
from roadstead.cli.view import View, ready_text, stopping_text, view_of_terminal
from roadstead.engines.supervise import (
    AlreadySupervised,
    ProcessFailed,
    ProcessSpec,
    Supervisor,
    beginning,
    read_status,
)
from roadstead.server.files import read_credentials

T = TypeVar("T")

KEEP_SIGNAL = signal.SIGUSR1
"""What `down --keep` sends to the supervisor: end, and leave the tasks running."""

PATIENCE_SECONDS = 600.0
"""How long is tried what was ready before its supervisor died; while containers run, for ever: they have nobody else."""


async def run(data: Path, config: Config, *, profile: bool, ready: Callable[[], None]) -> None:
    """Come up, call `ready`, and stay until a signal; then stop and free everything, or leave tasks as they are on KEEP_SIGNAL.

    Raises CommandFailed.
    """
    started = time.monotonic()
    view = view_of_terminal()
    stop, keep = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(KEEP_SIGNAL, lambda: (keep.set(), stop.set()))
    try:
        async with beginning(data):
            settings = await _unless(stop, _settings(data, config))
            if settings is None:
                return
            if not _server_runs(data) and (problem := port_problem(config)):
                raise CommandFailed(problem)
            supervisor = await _supervisor(data, specs(data, config, settings), settings, view)
    except AlreadySupervised as error:
        raise CommandFailed(str(error)) from error
    write_config(data, config)
    with view:
        try:
            if not await _start(supervisor, settings, stop, keep):
                if not keep.is_set():
                    await asyncio.to_thread(free_host, data, settings)
                return
            if not stop.is_set():
                problem = _profile_problem(data) if profile else ""
                view.say(ready_text(data, config, time.monotonic() - started) + problem)
                ready()
                await supervisor.run_until(stop)
        except ProcessFailed as error:
            await supervisor.stop()
            if not containers_run(settings):
                await asyncio.to_thread(free_host, data, settings)
            raise CommandFailed(str(error)) from error
        view.say(stopping_text(keep=keep.is_set()))
        if keep.is_set():
            await supervisor.stop()
        else:
            await stop_and_free(data, supervisor, settings)


async def recover(data: Path, config: Config) -> None:
    """Come up as after a crash, adopting what still runs, then stop all tasks and free everything; raises CommandFailed.

    Without the server where that can't come up: it hears of the tasks' ends after the next `up`.
    """
    settings = await _settings(data, config)
    view = view_of_terminal()
    every = specs(data, config, settings)
    attempts = [without_server(data, every)]
    if _server_runs(data) or not port_problem(config):
        attempts.insert(0, every)
    problem = ""
    with view:
        for wanted in attempts:
            supervisor = await _supervisor(data, wanted, settings, view)
            supervisor.lose_patience()
            try:
                await supervisor.start()
            except ProcessFailed as error:
                problem = str(error)
                continue
            view.say(stopping_text(keep=False))
            return await stop_and_free(data, supervisor, settings)
        await asyncio.to_thread(free_host, data, settings)
        raise CommandFailed(f"tasks were killed, because they could not be stopped in order: {problem}")


def refuse_second(data: Path) -> None:
    """Raise CommandFailed while a supervisor is at work on the directory."""
    supervisor = read_status(data).supervisor
    if supervisor is not None:
        raise CommandFailed(str(AlreadySupervised(data, supervisor)))


def _profile_problem(data: Path) -> str:
    """Write the AWS profile; what there is to say when it can't be, which keeps nothing from running."""
    try:
        write_profile(read_credentials(data))
    except (OSError, UnicodeError, RuntimeError) as error:
        return f"\nThe AWS profile was not written: {error}"
    return ""


async def _settings(data: Path, config: Config) -> RuntimeSettings:
    """The engines' settings, once the engines are installed; raises CommandFailed, also when another supervisor is at work."""
    refuse_second(data)
    return runtime_settings(data, config, await installed_engines(config))


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, T]) -> T | None:
    """What `work` returns; None where `stop` comes first, which ends it."""
    working, wanted = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, wanted), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            await asyncio.wait((working,))
        return None if working.cancelled() else await working
    finally:
        wanted.cancel()


async def _supervisor(data: Path, wanted: list[ProcessSpec], settings: RuntimeSettings, view: View) -> Supervisor:
    """A supervisor that has the data directory, with containerd's settings written; raises CommandFailed."""
    supervisor = Supervisor(data, wanted, on_change=view.changed)
    try:
        await supervisor.take()
    except AlreadySupervised as error:
        raise CommandFailed(str(error)) from error
    await asyncio.to_thread(containerd.write, settings)
    return supervisor


def _server_runs(data: Path) -> bool:
    """Whether a server of ours outlived its supervisor: the port is taken then, by the right one."""
    return any(child.name == SERVER and child.process is not None for child in read_status(data).children)


async def _start(supervisor: Supervisor, settings: RuntimeSettings, stop: asyncio.Event, keep: asyncio.Event) -> bool:
    """Start everything; False when the user wanted an end before and nothing runs that has to be stopped in order."""
    starting = asyncio.create_task(supervisor.start())
    wanted = asyncio.create_task(stop.wait())
    try:
        while not (starting.done() or wanted.done()):
            done, _ = await asyncio.wait(
                (starting, wanted), timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not done and not await asyncio.to_thread(containers_run, settings):
                supervisor.lose_patience()
        if not starting.done() and (keep.is_set() or not await asyncio.to_thread(containers_run, settings)):
            starting.cancel()
            await asyncio.wait((starting,))
            if starting.cancelled():
                return False
        if not starting.done():
            supervisor.lose_patience()
        await starting
        return True
    finally:
        wanted.cancel()
