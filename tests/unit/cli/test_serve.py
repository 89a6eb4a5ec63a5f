from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import resource, sys
from pathlib import Path
from roadstead.cli import run_agent, serve
from roadstead.server import main

def say(*_):
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))

async def run(_):
    say()

run_agent.run, main.run_server = run, say
if sys.argv[1] == "agent":
    serve.agent(data=Path(sys.argv[2]))
else:
    serve.server(data=Path(sys.argv[2]), listen="127.0.0.1:1")
"""


@pytest.mark.parametrize("command", ["agent", "server"])
def test_a_process_that_serves_may_open_as_many_files_as_the_host_allows(command: str, tmp_path: Path):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh", sys.executable, "-c", _PROGRAM, command, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(hard), str(hard)]
