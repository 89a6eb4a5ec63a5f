"""What `up` refuses, quickly and with a sentence that says what to do."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import time
from pathlib import Path

from tests.support.deployment import PROGRAM
from tests.support.namespaces import PlayedHost
from tests.system.lifecycle.conftest import MakeDeployment, text_of


def test_a_second_up_names_the_first(deployment_of: MakeDeployment):
    deployment = deployment_of()
    deployment.up()
    second = deployment.command("up", "--no-profile", "--listen", "127.0.0.1:4577")
    assert second.returncode == 1
    assert f"in use by process {deployment.pid('supervisor')}" in text_of(second)
    log = deployment.data / "logs" / "up.log"
    told = log.read_text()
    detached = deployment.command("up", "--detach", "--no-profile", "--listen", "127.0.0.1:4577")
    assert detached.returncode == 1
    assert f"in use by process {deployment.pid('supervisor')}" in text_of(detached)
    assert log.read_text() == told
    assert deployment.status()["endpoint"] == "http://127.0.0.1:4566"
    assert deployment.status()["ready"] is True


def test_a_taken_port_is_told_at_once(deployment_of: MakeDeployment, host: PlayedHost):
    def occupy() -> socket.socket:
        taken = socket.socket()
        taken.bind(("127.0.0.1", 4566))
        taken.listen()
        return taken

    deployment = deployment_of()
    taken = host.call(occupy)
    began = time.monotonic()
    done = deployment.command("up", "--detach", "--no-profile", "--fargate-runtime", "runc")
    assert time.monotonic() - began < 100, "it does not wait until an agent that never gets ready is given up"
    taken.close()
    assert done.returncode == 1
    assert "another program listens on 127.0.0.1:4566" in text_of(done)
    assert "Traceback" not in text_of(done)
    assert deployment.leftovers() == []


def test_another_deployment_on_the_port_never_passes_as_ours(deployment_of: MakeDeployment):
    first, second = deployment_of(), deployment_of()
    first.up()
    done = second.command("up", "--detach", "--no-profile", "--fargate-runtime", "runc")
    assert done.returncode == 1
    assert "another program listens" in text_of(done)
    assert first.status()["ready"] is True


def test_engines_that_are_missing_offline(deployment_of: MakeDeployment, host: PlayedHost, tmp_path: Path):
    deployment = deployment_of()
    environment = {
        **{name: value for name, value in os.environ.items() if "PROXY" not in name.upper()},
        "XDG_CACHE_HOME": str(tmp_path),
        "GOMODCACHE": str(tmp_path / "modules"),
        "GOPROXY": "off",
        "PATH": "/usr/bin:/bin",
    }
    command = [*PROGRAM, "up", "--no-profile", "--data", str(deployment.data)]
    done = host.run(command, env=environment, timeout=120)
    assert done.returncode == 1, text_of(done)
    assert "containerd" in text_of(done)
    assert "ROADSTEAD_ENGINES_DIR" in text_of(done)
    assert "Traceback" not in text_of(done)
    assert deployment.leftovers() == []


def test_a_data_directory_of_another_version(deployment_of: MakeDeployment):
    deployment = deployment_of()
    deployment.up()
    deployment.down()
    with contextlib.closing(sqlite3.connect(deployment.data / "server" / "roadstead.db")) as database:
        database.execute("UPDATE schema_fingerprints SET fingerprint = 'other'")
        database.commit()
    began = time.monotonic()
    done = deployment.command("up", "--detach", "--no-profile", "--fargate-runtime", "runc")
    assert time.monotonic() - began < 100, "it does not wait until an agent that never gets ready is given up"
    assert done.returncode == 1
    assert "made by a development version of Roadstead, whose tables differ" in text_of(done)
    assert "Traceback" not in text_of(done)
    assert deployment.leftovers() == []


def test_addresses_that_are_not_loopback(deployment_of: MakeDeployment):
    done = deployment_of().command("up", "--listen", "0.0.0.0:4566")
    assert done.returncode == 1
    assert "loopback only" in text_of(done)
