"""Going on in the background: the caller waits for the word that everything is ready, and shows what was said meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from roadstead.cli.failure import CommandFailed

_READY = b"ready\n"


def detached(work: Callable[[Callable[[], None]], None], log: Path) -> None:
    """Run `work` in a process of its own session whose output goes to `log`; return once it calls what it is given.

    Everything that it wrote until then is shown here as well. Raises CommandFailed when it ends before. Only for a process that
    has no threads: it is forked, which saves starting Python once more.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    reader, writer = os.pipe()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    offset = os.lseek(output, 0, os.SEEK_END)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(work, writer, output)
    os.close(writer)
    os.close(output)
    with os.fdopen(reader, "rb") as ready:
        told = ready.read()
    with log.open("rb") as file:
        file.seek(offset)
        sys.stdout.write(file.read().decode(errors="replace"))
    if told != _READY:
        _, status = os.waitpid(child, 0)
        raise CommandFailed(f"it did not come up; see {log}", status=os.waitstatus_to_exitcode(status) or 1)


def _work(work: Callable[[Callable[[], None]], None], writer: int, output: int) -> None:
    """The child's life; it never returns."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, output), (2, output)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(output)

    def ready() -> None:
        os.write(writer, _READY)
        os.close(writer)

    try:
        work(ready)
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
