"""A real PostgreSQL server for tests, from the distribution's package, in a directory and on a port of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.ports import free_port

_START_SECONDS = 60.0
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class PostgresMissing(RuntimeError):
    """PostgreSQL's server programs are not installed."""


@dataclass
class PostgresServer:
    """A running server; its superuser `postgres` needs no password on 127.0.0.1."""

    binaries: Path
    directory: Path
    port: int
    pid: int
    account: Mapping[str, object]
    databases: int = 0
    templates: dict[str, str] = field(default_factory=dict)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement with psql; returns its output, unaligned."""
        done = subprocess.run(
            [
                self.binaries / "psql",
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                statement,
                self.url(database),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def create_database(self, template: str = "template0") -> str:
        """A new database; returns its name."""
        self.databases += 1
        name = f"test_{self.databases}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def find_binaries() -> Path:
    """The newest server's `bin`, where Debian or Red Hat put it, or on PATH; raises PostgresMissing."""
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    places.sort(key=lambda place: int("".join(c for c in place.parent.name if c.isdigit()) or 0), reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        places.append(Path(on_path).resolve().parent)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise PostgresMissing("no PostgreSQL server found: apt-get install postgresql")


@contextmanager
def running_postgres(*, durable: bool = False) -> Generator[PostgresServer]:
    """Start a server and stop it at the end; nothing of it stays. `durable` makes it fsync, as production does.

    As root it runs as the user `postgres`, or `nobody` where there is none, because the server refuses to be root.
    """
    binaries = find_binaries()
    account = _unprivileged()
    directory = Path(tempfile.mkdtemp(prefix="roadstead-postgres-"))
    try:
        if account:
            os.chown(directory, int(str(account["user"])), int(str(account["group"])))
        data = directory / "data"
        subprocess.run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=directory,
            **account,  # pyright: ignore[reportArgumentType, reportCallIssue]
        )
        port = free_port()
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": directory,
            "max_connections": 500,
            "shared_buffers": "64MB",
            **({} if durable else _FAST),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # A test run that is killed takes its server along.
        command = ["setpriv", "--pdeathsig", "INT", binaries / "postgres", "-D", data, *options]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, **account)  # pyright: ignore
        try:
            _wait_until_ready(process, port, binaries, directory / "log")
            yield PostgresServer(binaries, directory, port, process.pid, account)
        finally:
            process.send_signal(signal.SIGINT)  # "fast": it cuts the sessions and stops
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(directory)


def _unprivileged() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise PostgresMissing("there is no user postgres or nobody to run PostgreSQL as")


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, binaries: Path, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")
        ready = subprocess.run([binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False)
        if ready.returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL was not ready within {_START_SECONDS} s:\n{log.read_text()}")
