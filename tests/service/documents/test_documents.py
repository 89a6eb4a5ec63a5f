"""The commands of user documents that need a server and nothing else, run as a reader would type them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.server_process import server_process

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        ("registry-storage.md", ["0 links and 0 blobs would go", "2 links and 2 blobs went", "everything is right"]),
        ("images.md", ['"imageTag": "v2"', '"Architecture"']),
        (
            "ecr.md",
            [
                *("111122223333", '"expiringImageTotalCount": 0', '"ARCHIVED"', '"IMMUTABLE"', '"quay"', '"stage"'),
                *("v1 stays what it was", "v1 is in the archive", '"AVAILABLE"', '"V2"', "what the shop deploys"),
                *("what was tested", '"application/vnd.example.report"', ":role/scanner", '"imageTag": "report"'),
                *('"us/apps/shop"', '"hub/apps/shop"', '"arn:aws:iam::222233334444:role/cache"'),
            ],
        ),
        ("ecr-public.md", ['"imageTag": "v1"', '"tags":["v1"]', '"usageText": "Run it, and GET /"']),
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
    blocks = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "docs" / document).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "share").mkdir()
    with server_process(tmp_path / "share" / "roadstead") as server:
        server.start()
        keys = server.credentials()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path / "share"),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": keys["accessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["secretAccessKey"],
            "AWS_PAGER": "",
        }
        script = "set -euo pipefail\nset -x\n" + "\n".join(blocks)
        command = ["bash", "-c", script]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    for text in shown:
        assert text in done.stdout
