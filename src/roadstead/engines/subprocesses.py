"""Running a command to its end, with its output in memory and nothing left behind when we are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended; both streams decoded, undecodable bytes replaced."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, one after the other."""
        return self.stdout + self.stderr


async def run(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    on_error_line: Callable[[str], None] | None = None,
    deadline: float | None = None,
) -> Completed:
    """Run a command; `environment` adds to ours. `deadline` in seconds raises TimeoutError.

    On cancellation and on the deadline the whole process group is killed and reaped.
    """
    process = await _started(
        asyncio.create_subprocess_exec(
            *map(str, arguments),
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    )
    async with _killed_on_error(process), asyncio.timeout(deadline):
        out, err = await asyncio.gather(_lines(process.stdout, None), _lines(process.stderr, on_error_line))
        return Completed(await process.wait(), out, err)


async def _started(starting: Coroutine[Any, Any, asyncio.subprocess.Process]) -> asyncio.subprocess.Process:
    """The process; cancelled while it starts, asyncio would kill it alone and leave its children."""
    start = asyncio.create_task(starting)
    try:
        return await asyncio.shield(start)
    except asyncio.CancelledError:
        async with _killed_on_error(await start):
            raise


@contextlib.asynccontextmanager
async def _killed_on_error(process: asyncio.subprocess.Process) -> AsyncGenerator[None, None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise


async def _lines(stream: asyncio.StreamReader | None, each: Callable[[str], None] | None) -> str:
    assert stream is not None
    text = bytearray()
    rest = b""
    while chunk := await stream.read(65536):
        text += chunk
        if each is not None:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                each(line.decode(errors="replace"))
    return text.decode(errors="replace")
