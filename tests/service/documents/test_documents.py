"""The commands of user documents that need a server and nothing else, run as a reader would type them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.ports import free_port
from tests.support.server_process import ServerProcess, server_process

ROOT = Path(__file__).parents[3]
SECOND_PORT = "4577"
"""Where documents have a second deployment."""
SECONDS = 500


@dataclass(frozen=True, slots=True)
class Ran:
    """How a script ended, what a reader saw of it, and the commands that led there."""

    status: int
    output: str
    trace: str


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ("registry-storage.md", ["0 links and 0 blobs would go", "2 links and 2 blobs went", "everything is right"]),
        ("images.md", ['"imageTag": "v2"', '"Architecture"']),
        (
            "ecr.md",
            [
                *('"latest"', '"v1"', '"stage"', '"AVAILABLE"', '"imageTag": "report"', "v1 stays what it was"),
                *('"application/vnd.example.report"', "what was tested", ":role/scanner"),
                *("profile roadstead-team-red", "denied", "team red is not let in yet", "111122223333"),
                *("team red has the image", "denied", "team red is not let in any more", '"V2"'),
                *('"DISABLED"', "done (", '"ENABLED"', "already there (", "team/mounted:v1"),
                *('"expiringImageTotalCount": 1', '"v1"', "v1\tv2\n", "ImageNotFoundException", "\nv2\n"),
                *('"ARCHIVED"', "v1 is in the archive", '"IMMUTABLE"', "what the shop deploys", '"apps"', '"quay"'),
                *('"page"', "/page:v1 sha256:", '"valid": true', '"why": null', "mirror/page\nv1\n"),
                *('"valid": false', "v1 is served without the upstream", "v2 was never pulled", '"us/apps/shop"'),
                *('"arn:aws:iam::222233334444:role/cache"', "true", '"hub/apps/shop"', '"imageTag": "report"'),
                *("429 TOOMANYREQUESTS", "(quota RepositoryBytes: 20000000)", "there is no room for 24 MiB"),
            ],
        ),
        (
            "ecr-public.md",
            [
                *('"operatingSystems"', "/tools/web:v1 sha256:", '"imageTag": "v1"', '/tools/web","tags":["v1"]}'),
                *("/mirror:v1 sha256:", " 200\n", " 429\n", " 300 200\n", '"usageText": "Run it, and GET /"'),
                *('"displayName": "Tools"', '"logoUrl": "http://public.ecr.localhost:', "image/png\n"),
                *('{"repositories":[', '"registryDisplayName":"Tools"', '"architectures":["ARM 64","x86-64"]'),
                *('{"repository":{', '"usageText":"Run it, and GET /"', '"tagCount":1', '"imageTag":"v1"'),
                *('{"alias":{', '/acme-tools/tools/web"', '{"name":"acme-tools/tools/web","tags":["v1"]}'),
                *('/tools/web","tags":["v1"]}', '"NAME_UNKNOWN"', '"repositoryName": "tools/web"'),
            ],
        ),
        (
            "audit.md",
            [
                "ecs:CreateCluster",
                "did not apply: Ireland of identity-based policy ireland",
                "the request has us-east-1",
            ],
        ),
        (
            "accounts.md",
            ["as it should be", "NoImages: {", ":repository/web"],
        ),
    ],
)
def test_the_commands_work(document: str, shown: list[str], tmp_path: Path) -> None:
    """What must be shown is shown in this order."""
    text = (ROOT / "docs" / document).read_text().replace(SECOND_PORT, str(free_port()))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "share").mkdir()
    with server_process(tmp_path / "share" / "roadstead") as server:
        configure(server, blocks(text, "toml"))
        server.start()
        ran = run(tmp_path, blocks(text, "bash"), reader(server, tmp_path))
    told = f"{ran.output}\n{ran.trace[-2000:]}"
    assert ran.status == 0, told
    position = 0
    for each in shown:
        found = ran.output.find(each, position)
        assert found >= 0, f"{each!r} is not shown after {position} characters:\n{told}"
        position = found + len(each)


def blocks(text: str, language: str) -> list[str]:
    """The blocks of a language in a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def configure(server: ServerProcess, settings: list[str]) -> None:
    """Give a server that has not been started the settings that a document shows."""
    if settings:
        server.data.mkdir()
        file = server.data / "roadstead.toml"
        file.touch(0o600)
        file.write_text("\n".join(settings))


def reader(server: ServerProcess, home: Path) -> dict[str, str]:
    """The environment of somebody who uses the server as its administrator."""
    keys = server.credentials()
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "share"),
        "XDG_STATE_HOME": str(home / "state"),
        "REGISTRY_AUTH_FILE": str(home / "auth.json"),
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": keys["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["secretAccessKey"],
        "AWS_PAGER": "",
    }


def run(folder: Path, commands: list[str], environment: Mapping[str, str]) -> Ran:
    """Run blocks of commands as one script, which stops at the first that fails; what it left running ends with it."""
    assert commands
    script = "\n".join(["set -euo pipefail", "exec 9>trace", "BASH_XTRACEFD=9", "set -x", *commands])
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=SECONDS)
        return Ran(process.returncode, output, (folder / "trace").read_text())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
