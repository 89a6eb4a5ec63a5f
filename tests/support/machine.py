"""A machine for programs that write all over the one they run on: mounts, processes, /etc, /run and /var are its own, and go with it.

Its network is the host's: programs in it reach servers on 127.0.0.1, under whatever names the test gives them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SETUP = """
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
for name in etc var; do
    mkdir -p "/run/.changes/$name/upper" "/run/.changes/$name/work"
    mount -t overlay -o "lowerdir=/$name,upperdir=/run/.changes/$name/upper,workdir=/run/.changes/$name/work" overlay "/$name"
done
cat >>/etc/hosts
echo ready
exec sleep infinity
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where commands run; `init` is its first process, by whose death all others die and its mounts go."""

    init: int

    def inside(self, command: Sequence[str], folder: Path) -> list[str]:
        """The command as the host starts it, so that it runs in the machine and in a folder."""
        enter = ("nsenter", "--target", str(self.init), "--mount", "--pid", "--")
        return [*enter, "sh", "-c", 'cd "$0" && exec "$@"', str(folder), *command]

    def run(self, command: Sequence[str], folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with its output as text."""
        options = {"capture_output": True, "text": True, "check": False, "timeout": 120, **options}
        return subprocess.run(self.inside(command, folder), **options)

    def popen(self, command: Sequence[str], folder: Path, **options: Any) -> subprocess.Popen[bytes]:
        """Start a process; it ends with the machine at the latest."""
        return subprocess.Popen[bytes](self.inside(command, folder), **options)


@contextmanager
def machine(names: Mapping[str, str]) -> Generator[Machine]:
    """A machine that knows addresses by these names, beside those in the host's own /etc/hosts. Needs root."""
    command = (
        *("setpriv", "--pdeathsig", "KILL"),  # a test run that is killed takes its machine along
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"),
        *("sh", "-c", _SETUP),
    )
    lines = "".join(f"{address} {name}\n" for name, address in names.items())
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            process.stdin.write("\n" + lines)
            process.stdin.close()
            if process.stdout.readline() != "ready\n":
                raise RuntimeError(f"the machine did not start: {process.stderr.read()}")
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield Machine(int(children[0]))
        finally:
            process.kill()
