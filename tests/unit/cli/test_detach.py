from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SAY = """
import sys
from pathlib import Path
from roadstead.cli.detach import detached
from roadstead.cli.failure import CommandFailed
def work(ready):
    print("told before")
    sys.stdout.flush()
    {end}
try:
    detached(work, Path(sys.argv[1]))
except CommandFailed as error:
    print("FAILED", error.status, error)
print("caller goes on")
"""


def run(end: str, log: Path) -> str:
    program = [sys.executable, "-c", SAY.format(end=end), str(log)]
    return subprocess.run(program, capture_output=True, text=True, check=True, timeout=30).stdout


def test_the_caller_goes_on_when_it_is_ready(tmp_path: Path):
    log = tmp_path / "logs" / "up.log"
    assert run("ready()", log) == "told before\ncaller goes on\n"
    assert log.read_text().startswith("told before\n")


def test_a_failure_before_is_the_callers(tmp_path: Path):
    log = tmp_path / "up.log"
    said = run("raise CommandFailed('no luck', 7)", log)
    assert "roadstead: no luck" in said
    assert "FAILED 7 it did not come up" in said
    assert "ZeroDivisionError" in run("1 / 0", log)
