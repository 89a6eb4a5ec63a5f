"""A deployment comes up, shows itself, and goes down without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.deployment import PROGRAM, LiveDeployment, web_image
from tests.support.namespaces import PlayedHost
from tests.support.waiting import until
from tests.system.lifecycle.conftest import MakeDeployment, connect, exports, text_of

LOOK = ("cat", "/proc/net/dev")
STARTED = ("up", "--no-profile", "--fargate-runtime", "runc")


def supervisor_pid(deployment: LiveDeployment) -> int | None:
    """The supervisor's pid, while there is a record of it."""
    record = deployment.data / "supervisor.json"
    return json.loads(record.read_text())["supervisor"]["pid"] if record.exists() else None


def test_detached_with_every_command_that_looks_at_it(deployment_of: MakeDeployment):
    deployment = deployment_of()
    assert "nothing was started" in text_of(deployment.command("status"))
    assert "nothing runs" in text_of(deployment.command("down"))
    shown = deployment.up()
    assert "Ready in" in shown

    status = deployment.status()
    assert status["ready"] is True
    assert {c["name"]: c["state"] for c in status["processes"]}.items() >= {
        ("server", "ready"),
        ("agent", "ready"),
        ("containerd", "ready"),
    }
    plain = deployment.command("status")
    assert plain.returncode == 0
    assert "server" in plain.stdout

    variables = exports(deployment.command("env").stdout)
    key = json.loads(deployment.command("credentials").stdout)
    assert key["Version"] == 1
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert variables["AWS_ACCESS_KEY_ID"] == key["AccessKeyId"]
    assert variables["AWS_SECRET_ACCESS_KEY"] == key["SecretAccessKey"]

    assert '"event":"listening"' in deployment.command("logs", "server").stdout
    assert "there are:" in text_of(deployment.command("logs", "nonsense"))
    following = deployment.host.popen(
        [*PROGRAM, "logs", "-f", "server", "--data", str(deployment.data)], stdout=subprocess.PIPE
    )
    assert following.stdout is not None
    assert following.stdout.readline()
    following.terminate()
    following.wait()
    following.stdout.close()

    assert "not on this host" in text_of(connect(deployment, "vpc-none", *LOOK))

    deployment.down()
    assert deployment.leftovers() == []
    assert not (deployment.data / "supervisor.json").exists()
    assert "nothing runs" in text_of(deployment.command("down"))


def test_in_an_account_and_a_region_of_ones_own(deployment_of: MakeDeployment):
    deployment = deployment_of()
    shown = deployment.up("--account", "111122223333", "--region", "eu-west-1")
    assert "account 111122223333 · eu-west-1" in shown
    variables = exports(deployment.command("env").stdout)
    assert variables["AWS_REGION"] == "eu-west-1"
    identity = deployment.client("sts", region="eu-west-1").get_caller_identity()
    assert identity["Arn"] == "arn:aws:iam::111122223333:user/admin"
    subnets = deployment.client("ec2", region="eu-west-1").describe_subnets()["Subnets"]
    assert {subnet["AvailabilityZone"][:-1] for subnet in subnets} == {"eu-west-1"}
    assert {subnet["OwnerId"] for subnet in subnets} == {"111122223333"}
    cluster = deployment.client("ecs", region="eu-west-1").create_cluster(clusterName="c")["cluster"]
    assert cluster["clusterArn"] == "arn:aws:ecs:eu-west-1:111122223333:cluster/c"
    deployment.down()


def test_everything_is_freed_with_tasks_running_on_both_runtimes(deployment_of: MakeDeployment, tmp_path: Path):
    for number, runtime in enumerate(("runc", "gvisor")):
        deployment = deployment_of(runtime, 4566 + number)
        deployment.up()
        uri = deployment.push(web_image(tmp_path / runtime), "web", "web")
        deployment.define("web", uri, deployment.role("exec"))
        arns = [deployment.run_task("web") for _ in range(2)]
        for arn in arns:
            deployment.wait_for(arn, "RUNNING")
        before = set(Path("/sys/fs/cgroup").glob(f"**/*{deployment.tag}*"))
        assert before, "the test looks in the wrong place"
        deployment.down()
        assert deployment.leftovers() == []
        assert deployment.host.netlink(lambda netlink: [link.name for link in netlink.links()]) == ["lo"]
        routes = deployment.host.netlink(lambda netlink: [r for r in netlink.routes() if r.destination.prefixlen < 24])
        assert [r for r in routes if not r.destination.is_loopback] == []
        assert deployment.host.run(["nft", "list", "tables"]).stdout == ""

        deployment.up()
        for arn in arns:
            ended = deployment.wait_for(arn, "STOPPED")
            assert ended["containers"][0]["exitCode"] is not None
        deployment.down()


def test_a_task_that_is_run_while_it_goes_down(deployment_of: MakeDeployment, tmp_path: Path):
    deployment = deployment_of()
    deployment.up()
    uri = deployment.push(web_image(tmp_path / "i"), "web", "web")
    role = deployment.role("exec")
    slow = {"command": ["sh", "-c", "trap : TERM; while :; do sleep 1; done"], "stopTimeout": 6}
    deployment.define("slow", uri, role, [{"name": "main", **slow}])
    deployment.define("web", uri, role)
    first = deployment.run_task("slow")
    deployment.wait_for(first, "RUNNING")
    going = deployment.host.popen([*PROGRAM, "down", "--data", str(deployment.data)], stdout=subprocess.PIPE)
    log = deployment.data / "logs" / "up.log"
    until(lambda: "Stopping tasks" in log.read_text(), "going down")
    late = deployment.run_task("web")
    output, _ = going.communicate(timeout=120)
    assert going.returncode == 0, output
    assert deployment.leftovers() == []

    deployment.up()
    assert deployment.wait_for(first, "STOPPED")["containers"][0]["exitCode"] == 137
    assert deployment.wait_for(late, "STOPPED")["stoppedReason"]
    deployment.down()


def test_keep_leaves_tasks_running_and_the_next_up_finds_them(deployment_of: MakeDeployment, tmp_path: Path):
    deployment = deployment_of()
    deployment.up()
    uri = deployment.push(web_image(tmp_path / "i"), "web", "web")
    deployment.define("web", uri, deployment.role("exec"))
    arn = deployment.run_task("web")
    address = deployment.serving(arn)
    task = deployment.task(arn)
    deployment.down("--keep")
    assert "It runs." in deployment.fetch(address)
    deployment.up()
    found = deployment.task(arn)
    assert found["lastStatus"] == "RUNNING"
    assert found["startedAt"] == task["startedAt"]
    assert found["containers"][0]["runtimeId"] == task["containers"][0]["runtimeId"]
    assert "It runs." in deployment.fetch(address)
    deployment.down("--keep")
    deployment.down()
    assert deployment.leftovers() == []


def test_in_the_foreground_plain_lines_until_sigterm(deployment_of: MakeDeployment):
    deployment = deployment_of()
    process = deployment.host.popen(
        [*PROGRAM, *STARTED, "--data", str(deployment.data)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    lines: list[str] = []
    for raw in process.stdout:
        lines.append(raw.decode())
        if lines[-1].startswith("Ready in"):
            break
    assert "server ready\n" in lines
    assert not any("\x1b" in line for line in lines)
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read().decode()
    assert process.wait(60) == 0, rest
    process.stdout.close()
    assert "Stopping tasks" in rest
    assert deployment.leftovers() == []


def test_on_a_terminal_a_live_table_until_ctrl_c(deployment_of: MakeDeployment):
    deployment = deployment_of()
    ours, theirs = os.openpty()
    process = deployment.host.popen(
        [*PROGRAM, *STARTED, "--data", str(deployment.data)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(theirs)
    shown = b""
    try:
        while b"Ready in" not in shown:
            shown += os.read(ours, 4096)
        assert b"\x1b[" in shown
        process.send_signal(signal.SIGINT)
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # the other end of a terminal is gone: EIO
            pass
        assert process.wait(60) == 0, shown.decode()
    finally:
        os.close(ours)
    assert "Stopping" in shown.decode()
    assert deployment.leftovers() == []


def test_ctrl_c_while_starting_frees_everything(deployment_of: MakeDeployment):
    for state in ("starting", "ready"):
        deployment = deployment_of()
        process = deployment.host.popen(
            [*PROGRAM, *STARTED, "--data", str(deployment.data)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdout is not None
        for raw in process.stdout:
            if raw.decode().startswith(f"containerd {state}"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().decode()
        assert process.wait(60) == 0, rest
        process.stdout.close()
        assert deployment.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_of_up_detach_while_starting_frees_everything(number: signal.Signals, deployment_of: MakeDeployment):
    for state in ("starting", "ready"):
        deployment = deployment_of()
        process = deployment.host.popen(
            [*PROGRAM, *STARTED, "--detach", "--data", str(deployment.data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        log = deployment.data / "logs" / "up.log"
        until(lambda: log.exists() and f"containerd {state}" in log.read_text(), state, 30)  # noqa: B023
        process.send_signal(number)
        told = process.communicate(timeout=60)[0].decode()
        assert process.returncode == 128 + number, told
        assert "it was stopped again" in told
        assert deployment.leftovers() == []


def test_the_profile_is_one_section_and_optional(deployment_of: MakeDeployment, tmp_path: Path, host: PlayedHost):
    deployment = deployment_of()
    config, shared = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[default]\nregion = eu-west-1\n\n[profile roadstead]\nregion = old\n\n[profile other]\nx = y\n")
    environment = {**os.environ, "AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(shared)}
    command = [*PROGRAM, "up", "--detach", "--fargate-runtime", "runc", "--data", str(deployment.data)]
    done = host.run(command, env=environment)
    assert done.returncode == 0, text_of(done)
    written = config.read_text()
    assert "[default]\nregion = eu-west-1\n" in written
    assert "[profile other]\nx = y\n" in written
    assert "endpoint_url = http://127.0.0.1:4566" in written
    assert "old" not in written
    assert shared.stat().st_mode & 0o777 == 0o600
    asked = (
        "import boto3; print(boto3.Session(profile_name='roadstead').client('sts').get_caller_identity()['Account'])"
    )
    who = host.run([sys.executable, "-c", asked], env=environment)
    assert who.stdout.strip() == "000000000000", who.stderr


def test_two_side_by_side(deployment_of: MakeDeployment, tmp_path: Path):
    first, second = deployment_of(port=4566), deployment_of(port=4577)
    first.up()
    second.up()
    for deployment in (first, second):
        uri = deployment.push(web_image(tmp_path / str(deployment.port)), "web", "web")
        deployment.define("web", uri, deployment.role("exec"))
        arn = deployment.run_task("web")
        address = deployment.address(deployment.wait_for(arn, "RUNNING"))
        if deployment is first:
            deployment.serving(arn)
        vpc = deployment.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
        asked = f"import urllib.request as r; print(r.urlopen('http://{address}/').read())"
        until(lambda: "It runs." in connect(deployment, vpc, sys.executable, "-c", asked).stdout, "the page", 20)  # noqa: B023
        if deployment is first:
            assert "It runs." in deployment.fetch(address)
    first.down()
    assert first.leftovers() == []
    assert second.status()["ready"] is True
    assert "It runs." in connect(second, vpc, sys.executable, "-c", asked).stdout
