"""Carrying out the life of one process: the effects behind the table in `lifecycle`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL

from roadstead.engines.supervise.checks import NotReady, always_ready
from roadstead.engines.supervise.lifecycle import ALIVE, CHECKED, Action, Event, State, step
from roadstead.engines.supervise.process import Gate, Handle, ProcessIdentity, hold, spawn
from roadstead.engines.supervise.record import ChildRecord
from roadstead.engines.supervise.spec import ProcessSpec

_POLL_UNTIL_READY = 0.02
_KILL_AGAIN = 5.0


class Child:
    """Runs one process as its specification says; every change of state is reported to `changed`, which must save it.

    Event-driven: the pidfd tells the end, one timer holds the state's deadline, one task asks the check.
    """

    def __init__(self, spec: ProcessSpec, log: Path, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.log = log
        self._changed = changed
        self._state = State.IDLE
        self._since = datetime.now(UTC)
        self._handle: Handle | None = None
        self._checker: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failures = 0
        self._restarts = 0
        self._was_ready = False
        self._recalled = False
        self._adopted = False
        self._last_exit: int | None = None
        self._reason: str = ""
        self._complaint = ""
        self._retired: set[asyncio.Task[None]] = set()
        self._watchers: set[asyncio.Event] = set()

    @property
    def state(self) -> State:
        """Where it stands."""
        return self._state

    def record(self) -> ChildRecord:
        """What is to be written down of it now."""
        return ChildRecord(
            name=self.spec.name,
            state=self._state,
            since=self._since,
            process=self._handle.identity if self._handle else None,
            fingerprint=self.spec.fingerprint,
            stop_signal=self.spec.stop_signal,
            stop_timeout=self.spec.stop_timeout,
            restarts=self._restarts,
            adopted=self._adopted,
            was_ready=self._was_ready,
            last_exit=self._last_exit,
            reason=self._reason,
        )

    def recall(self, *, was_ready: bool, restarts: int) -> None:
        """Take its past under an earlier supervisor for its own, whether it still runs or not."""
        self._was_ready = self._recalled = was_ready
        self._restarts = restarts

    def forget_past(self) -> None:
        """Take it for one that was never ready, unless it was since we look after it."""
        if self._recalled:
            self._was_ready = self._recalled = False

    def adopt(self, process: ProcessIdentity) -> bool:
        """Take over a process that an earlier supervisor started; False when it has ended meanwhile."""
        handle = hold(process)
        if handle is None:
            return False
        self._adopted = True
        self._watch(handle)
        self._happen(Event.ADOPT, "found running")
        return True

    def start(self) -> None:
        """Start it, unless it was adopted."""
        if self._state not in ALIVE:
            self._happen(Event.START)

    def stop(self) -> None:
        """Ask it to stop for good."""
        self._happen(Event.STOP)

    async def until(self, *states: State) -> State:
        """Wait until it is in one of the states, and say in which."""
        flag = asyncio.Event()
        self._watchers.add(flag)
        try:
            while self._state not in states:
                await flag.wait()
                flag.clear()
        finally:
            self._watchers.discard(flag)
        return self._state

    async def release(self) -> None:
        """Stop looking after it; a process that runs goes on running."""
        self._cancel_timer()
        self._retire_checker()
        if self._retired:
            await asyncio.wait(set(self._retired))
        self._unwatch()

    def _happen(self, event: Event, reason: str = "") -> None:
        taken = step(self._state, event)
        if taken.state is not self._state:
            if self._state is State.REPLACING:
                reason = f"{self._reason}; {reason}"
            self._state, self._since, self._reason = taken.state, datetime.now(UTC), reason
        self._cancel_timer()
        gate: Gate | None = None
        for action in taken.actions:
            match action:
                case Action.SPAWN:
                    gate = self._spawn()
                case Action.SIGNAL:
                    self._send_stop_signal()
                case Action.KILL:
                    if self._handle is not None:
                        self._handle.send(SIGKILL)
                case Action.FORGET_FAILURES:
                    self._failures = 0
        self._set_timer(killed=Action.KILL in taken.actions)
        self._set_checker()
        self._changed()
        if gate is not None:
            gate.open()  # only now: its pid is on record
        for flag in self._watchers:
            flag.set()

    def _spawn(self) -> Gate | None:
        try:
            gate = spawn(self.spec.argv, environment=self.spec.environment, cwd=self.spec.cwd, log=self.log)
        except OSError as error:
            # Reported as an exit, once the transition that led here is complete.
            asyncio.get_running_loop().call_soon(self._ended, str(error))
            return None
        self._adopted = False
        self._watch(gate.handle)
        return gate

    def _send_stop_signal(self) -> None:
        if self._handle is not None:
            self._handle.send(self.spec.stop_signal)

    def _watch(self, handle: Handle) -> None:
        self._handle = handle
        asyncio.get_running_loop().add_reader(handle.pidfd, self._on_exit)

    def _unwatch(self) -> None:
        if self._handle is not None:
            asyncio.get_running_loop().remove_reader(self._handle.pidfd)
            self._handle.close()
            self._handle = None

    def _on_exit(self) -> None:
        assert self._handle is not None
        self._last_exit = self._handle.collect()
        self._unwatch()
        self._ended(_describe_exit(self._last_exit), self._last_exit)

    def _ended(self, reason: str, exit_code: int | None = None) -> None:
        if self._state not in ALIVE:
            return
        if self._state is not State.STOPPING:
            self._failures += 1
            self._restarts += 1
        event = self.spec.restart.after_exit(
            self._failures,
            was_ready=self._was_ready,
            recalled=self._recalled,
            late=self._state is State.REPLACING,
            exit_code=exit_code,
        )
        self._happen(event, reason)

    def _set_timer(self, *, killed: bool) -> None:
        spec = self.spec
        match self._state:
            case State.STARTING:
                delay = spec.ready_within
            case State.READY if self._failures:
                delay = spec.restart.healthy_after
            case State.REPLACING | State.STOPPING:
                delay = _KILL_AGAIN if killed else spec.stop_timeout
            case State.BACKOFF:
                delay = spec.restart.pause(self._failures)
            case _:
                return
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_deadline)

    def _on_deadline(self) -> None:
        late = f"not ready within {self.spec.ready_within:g} s: {self._complaint}"
        self._happen(Event.DEADLINE, late if self._state is State.STARTING else "")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_checker(self) -> None:
        if self._state not in CHECKED:
            self._retire_checker()
        elif self._checker is None:
            self._complaint = ""
            self._checker = asyncio.create_task(self._ask(), name=f"check {self.spec.name}")

    def _retire_checker(self) -> None:
        checker, self._checker = self._checker, None
        if checker is not None:
            checker.cancel()
            self._retired.add(checker)
            checker.add_done_callback(self._retired.discard)

    async def _ask(self) -> None:
        """Ask the check until the process is unhealthy; cancelled when it ends or has to stop."""
        failed = 0
        while True:
            passed = await self._passes()
            failed = 0 if passed else failed + 1
            if passed and self._state is State.STARTING:
                self._was_ready, self._recalled = True, False
                self._happen(Event.PASSED)
            elif self._state is State.READY and failed >= self.spec.tolerated:
                self._happen(Event.UNHEALTHY, f"failed its check {failed} times in a row: {self._complaint}")
                return
            await asyncio.sleep(self.spec.check_every if self._state is State.READY else _POLL_UNTIL_READY)

    async def _passes(self) -> bool:
        check, health = self.spec.check, self.spec.health or always_ready
        if self._state is State.READY and self.spec.health is not None:
            check = always_ready
        try:
            async with asyncio.timeout(self.spec.check_timeout):
                passed = await check() and await health()
            self._complaint = "" if passed else "the answer was no"
        except TimeoutError:
            passed, self._complaint = False, f"no answer within {self.spec.check_timeout:g} s"
        except NotReady as refusal:
            passed, self._complaint = False, str(refusal)
        except Exception as error:  # noqa: BLE001 - whatever a check raises, the process has not answered; we show it
            passed, self._complaint = False, f"{type(error).__name__}: {error}"
        return passed


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "ended"
    return f"exited with status {code}" if code >= 0 else f"killed by signal {-code}"
