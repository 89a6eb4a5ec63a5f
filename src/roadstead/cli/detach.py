"""Going on in the background: the caller waits for the word that everything is ready, and shows what was said meanwhile."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType

from roadstead.cli.failure import CommandFailed

_READY = b"ready\n"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 128 + signal.SIGINT


def detached(work: Callable[[Callable[[], None]], None], log: Path) -> None:
    """Run `work` in a process of its own session whose output goes to `log`; return once it calls what it is given.

    Everything that it wrote until then is shown here as well. A signal that would end the caller meanwhile ends `work` with a
    KeyboardInterrupt, and the caller waits for that. Raises CommandFailed when it ends before it is ready. Only for a process
    that has no threads: it is forked, which saves starting Python once more.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    reader, writer = os.pipe()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    offset = os.lseek(output, 0, os.SEEK_END)
    sys.stdout.flush()
    sys.stderr.flush()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # until each side knows what to do about them
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(work, writer, output, mask)
    os.close(writer)
    os.close(output)
    with _passing_on(child, mask) as (came, woken):
        told = _read_all(reader, woken)
        os.close(reader)
        if came or told != _READY:
            # Reaped only afterwards: while signals are passed on to it, its pid must be nobody else's.
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if came or told != _READY else 0
    with log.open("rb") as file:
        file.seek(offset)
        sys.stdout.write(file.read().decode(errors="replace"))
    if came and status in (0, _INTERRUPTED):
        raise CommandFailed("interrupted while it came up; it was stopped again", status=128 + came[0])
    if came or told != _READY:
        raise CommandFailed(f"it did not come up; see {log}", status=status or 1)


def _read_all(reader: int, woken: int) -> bytes:
    """What comes from a pipe until its end; a signal makes `woken` readable, so that its handler runs before we wait on."""
    told = b""
    while True:
        readable, _, _ = select.select([reader, woken], [], [])
        if woken in readable:
            os.read(woken, 4096)
        if reader in readable:
            piece = os.read(reader, 4096)
            if not piece:
                return told
            told += piece


@contextlib.contextmanager
def _passing_on(child: int, mask: set[int]) -> Generator[tuple[list[int], int]]:
    """Turn signals that would end us into one SIGINT for the child; gives the list of those that came, and a pipe that each writes to.

    A signal that comes just before a system call that waits does not interrupt it, and Python would call the handler when that
    returns. Only the first is passed on: another one would cut short what the child does to stop in order. What we were told to ignore
    (nohup) stays ignored. The signals are blocked until the handlers are there; `mask` is what was blocked before.
    """
    came: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            os.kill(child, signal.SIGINT)

    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    woken_before = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    before = {number: handler for number in _ENDING if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield came, woken
    finally:
        signal.set_wakeup_fd(woken_before)
        os.close(woken)
        os.close(waker)
        for number, handler in before.items():
            signal.signal(number, handler)


def _work(work: Callable[[Callable[[], None]], None], writer: int, output: int, mask: set[int]) -> None:
    """The child's life; it never returns. `mask` are the signals that were blocked before the fork."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)

    def ready() -> None:
        with contextlib.suppress(BrokenPipeError):  # the caller was killed: what it started goes on all the same
            os.write(writer, _READY)
        os.close(writer)

    try:
        # The caller's word to us, also where it was told to ignore its own.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        work(ready)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except CommandFailed as error:
        sys.stderr.write(f"roadstead: {error}\n")
        status = error.status
    except BaseException as error:  # noqa: BLE001 - nothing of the caller's stack may run here: the process ends below
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    else:
        status = 0
    with contextlib.suppress(OSError):  # the log's disk may be full
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
