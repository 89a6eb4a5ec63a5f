"""Processes that nobody mistakes for another: a pid together with its start time, held by a pidfd."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

# The gate: the shell waits for a line before it becomes the program. We send it once the pid is on record; if we die
# before, the shell reads the end of the file and leaves. So no child ever runs that the next supervisor can't find.
_GATE = 'read -r go && exec "$@" </dev/null'
_PF_EXITING = 0x4


class ProcessIdentity(msgspec.Struct, frozen=True):
    """A pid and the start time of its process in clock ticks since boot (field 22 of /proc/PID/stat, proc(5))."""

    pid: int
    start_time: int


def boot_id() -> str:
    """A name of the time since this machine was switched on; a pid and a start time mean nothing beyond it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> ProcessIdentity | None:
    """The process that has this pid now, or None when there is none or it has ended (a zombie)."""
    try:
        state, identity = _read_stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else identity


def _read_stat(pid: int) -> tuple[str, ProcessIdentity]:
    stat = Path(f"/proc/{pid}/stat").read_text()
    # The command in parentheses may hold blanks and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return fields[0], ProcessIdentity(pid, int(fields[19]))


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process still runs."""
    return identify(identity.pid) == identity


def is_ending(pid: int, proc: Path = Path("/proc")) -> bool:
    """Whether a process was killed and only waits for a processor to end on, which on a busy machine takes a while."""
    try:
        flags = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[6])
        status = (proc / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    pending = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd:", "ShdPnd:"))]
    return bool(flags & _PF_EXITING) or any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending)


@dataclass(frozen=True, slots=True)
class Handle:
    """A process held by a pidfd, which is readable once the process has ended (pidfd_open(2)); close it in the end."""

    identity: ProcessIdentity
    pidfd: int
    ours: bool
    """Whether it is our child, so that its status can be collected."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended already is none of our worries."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def collect(self) -> int | None:
        """The exit code of the ended process, negative for a signal; None when it is not our child. Reaps it."""
        if not self.ours:
            return None
        result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        assert result is not None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

    async def ended(self) -> None:
        """Wait for its end; nothing else may watch the pidfd meanwhile."""
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.pidfd, end.set)
        try:
            await end.wait()
        finally:
            loop.remove_reader(self.pidfd)

    def close(self) -> None:
        """Let go of it; the process itself is not touched."""
        os.close(self.pidfd)


def hold(identity: ProcessIdentity) -> Handle | None:
    """Hold a process that somebody else started, or None when exactly this one no longer runs."""
    try:
        pidfd = os.pidfd_open(identity.pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):
            return None
        raise
    # Looked at after the pidfd was opened: the pidfd and what we see are the same process only in this order.
    if not is_alive(identity):
        os.close(pidfd)
        return None
    return Handle(identity, pidfd, ours=False)


class Gate:
    """A child that waits for `open` before it runs its program; if `open` is never called it leaves."""

    def __init__(self, handle: Handle, writer: int) -> None:
        self.handle = handle
        self._writer = writer

    def open(self) -> None:
        """Let the program run."""
        try:
            with contextlib.suppress(BrokenPipeError):  # it was killed meanwhile, which the pidfd tells
                os.write(self._writer, b"\n")
        finally:
            os.close(self._writer)


def spawn(argv: Sequence[str], *, environment: Mapping[str, str], cwd: Path | None, log: Path) -> Gate:
    """Start a child behind a gate, in a session of its own, writing to the end of `log`; raises OSError.

    It outlives us, whatever happens to us or to our terminal.
    """
    if not os.access(argv[0], os.X_OK):
        raise FileNotFoundError(errno.ENOENT, "no program to run", argv[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _GATE, "sh", *argv],
            stdin=reader,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except BaseException:
        os.close(writer)
        raise
    finally:
        os.close(reader)
        os.close(output)
    child.returncode = 0  # the pidfd reaps it: Popen must neither wait for it nor warn
    _, identity = _read_stat(child.pid)  # even killed already it is there until we reap it
    return Gate(Handle(identity, os.pidfd_open(child.pid), ours=True), writer)
