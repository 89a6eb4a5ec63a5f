from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from roadstead.engines.subprocesses import run


async def test_output_status_and_environment(tmp_path: Path) -> None:
    lines: list[str] = []
    done = await run(
        ["/bin/sh", "-c", 'pwd; echo "$WHO"; echo one >&2; echo two >&2; exit 3'],
        cwd=tmp_path,
        environment={"WHO": "me"},
        on_error_line=lines.append,
    )
    assert (done.status, done.stdout, lines) == (3, f"{tmp_path}\nme\n", ["one", "two"])
    assert done.output == done.stdout + done.stderr


@pytest.mark.parametrize("moment", ["while it runs", "while it starts"])
async def test_a_cancelled_command_takes_its_children_along(tmp_path: Path, moment: str) -> None:
    pid_file = tmp_path / "pid"
    running = asyncio.create_task(run(["/bin/sh", "-c", f"sleep 1000 & echo $! > {pid_file}; wait"]))
    for _ in range(2):  # the process is there now, but not yet told of
        await asyncio.sleep(0)
    deadline = time.monotonic() + 60
    while not pid_file.exists() or not pid_file.read_text().strip():
        assert time.monotonic() < deadline
        if moment == "while it runs":
            await asyncio.sleep(0.01)  # else the loop does not learn of the start
    if moment == "while it runs":
        await asyncio.sleep(0.1)
    grandchild = Path("/proc") / pid_file.read_text().strip()
    assert _runs(grandchild)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with asyncio.timeout(60):
        while _runs(grandchild):  # noqa: ASYNC110 - it is not our child
            await asyncio.sleep(0.01)


async def test_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        await run(["sleep", "1000"], deadline=0.05)


def _runs(process: Path) -> bool:
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
