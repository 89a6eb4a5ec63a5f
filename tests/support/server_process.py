"""`roadstead server` as a process on 127.0.0.1, for tests that kill, pause and stop it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from tests.support.ports import free_port
from tests.support.waiting import until

T = TypeVar("T")
START_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


@dataclass
class ServerProcess:
    """One server with its own data directory; `state` and `database` may be those of others."""

    data: Path
    database: str | None = None
    state: Path | None = None
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict[str, str])
    module: tuple[str, ...] = ("roadstead",)
    """The module that is run, and what it is told before the server's own arguments; a test may have one that dies somewhere."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data.with_suffix(".log")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def spawn(self) -> None:
        """Start the process and don't wait for it."""
        options = ["--data", str(self.data), "--listen", f"127.0.0.1:{self.port}", *self.options]
        if self.database is not None:
            options += ["--database", self.database]
        if self.state is not None:
            options += ["--state", str(self.state)]
        with self.log.open("ab") as log:
            # A test run that is killed takes its servers along.
            command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", *self.module, "server", *options]
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)

    def start(self) -> float:
        """Start the process; the seconds until it answered."""
        began = time.monotonic()
        self.spawn()
        until(
            lambda: self.status("health") == 200 or self._fails(), f"the server is healthy\n{self.log}", START_SECONDS
        )
        return time.monotonic() - began

    def status(self, question: str) -> int | None:
        """The HTTP status of `health` or `ready`; None when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_roadstead/{question}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def exit_status(self, seconds: float) -> int:
        """How the process ended, which it must within some seconds."""
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.exit_status(15)

    def end(self) -> None:
        """After the test, however it went."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The log's lines of an event."""
        found: list[dict[str, Any]] = []
        for line in self.log.read_text().splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict) and entry.get("event") == event:
                    found.append(entry)
        return found

    def credentials(self) -> dict[str, str]:
        return json.loads((self.data / "credentials.json").read_text())

    def client(
        self,
        service: str,
        keys: tuple[str, str, str | None] | None = None,
        retries: int = 1,
        region: str = "us-east-1",
    ) -> Any:
        """A boto3 client as the administrator, or with other keys; by default it does not retry."""
        stored = self.credentials()
        key, secret, token = keys or (stored["accessKeyId"], stored["secretAccessKey"], None)
        return boto3.client(  # type: ignore[call-overload]
            service,  # type: ignore[arg-type]
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": retries}, read_timeout=10, connect_timeout=5),
        )

    def _fails(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
        return False


@contextlib.contextmanager
def server_process(data: Path, **settings: Any) -> Generator[ServerProcess]:
    """A server that is not started yet; it is gone afterwards."""
    server = ServerProcess(data, **settings)
    try:
        yield server
    finally:
        server.end()
