"""Images by the names that AWS has for them: of private registries, and of public ones, which ask for no permission."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.support.deployment import PROGRAM, PULL_AND_LOG
from tests.system.tasks.bench import Bench, container, script

pytestmark = pytest.mark.parametrize("bench", ["runc"], indirect=True)


def image_command(bench: Bench, *arguments: str, home: Path) -> None:
    """`roadstead image …` as the administrator, on the deployment's host."""
    stored = json.loads((bench.deployment.data / "credentials.json").read_text())
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "HOME": str(home),
        "AWS_ENDPOINT_URL": stored["endpoint"],
        "AWS_REGION": stored["region"],
        "AWS_ACCESS_KEY_ID": stored["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": stored["secretAccessKey"],
    }
    done = bench.deployment.host.run([*PROGRAM, "image", *arguments], env=environment, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_name_of_an_image_is_pulled(bench: Bench, tmp_path: Path) -> None:
    public = bench.client("ecr-public")
    public.create_repository(repositoryName="tools/web")
    (registry,) = public.describe_registries()["registries"]
    alias = registry["aliases"][0]["name"]
    image_command(bench, "copy", "web:latest", f"public.ecr.aws/{alias}/tools/web:v1", home=tmp_path)
    logs_only = bench.deployment.role("logs-only", [action for action in PULL_AND_LOG if action.startswith("logs:")])
    port = bench.deployment.port
    for number, (image, role) in enumerate(
        (
            (f"public.ecr.aws/{alias}/tools/web:v1", logs_only),
            (f"public.ecr.localhost:{port}/{alias}/tools/web:v1", logs_only),
            ("000000000000.dkr.ecr.us-east-1.amazonaws.com/web:latest", bench.role),
            (f"000000000000.dkr.ecr.us-east-1.localhost:{port}/web:latest", bench.role),
            (f"localhost:{port}/web:latest", bench.role),
        )
    ):
        task = bench.run({**script(f"echo ran {number}"), "image": image}, executionRoleArn=role)
        assert container(task)["exitCode"] == 0, f"{image}: {task['stoppedReason']}"
        assert bench.line(task, "ran") == f"ran {number}"
    missing = bench.run({"image": f"public.ecr.aws/{alias}/tools/nothing:v1"}, executionRoleArn=logs_only)
    assert missing["stopCode"] == "TaskFailedToStart"
    assert "tools/nothing" in missing["stoppedReason"]
