"""The commands of docs/ecr.md that take real clients, run as a reader would type them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from tests.support.clients import Registry, aws_environment, program
from tests.support.machine import Machine

DOCUMENT = Path(__file__).parents[3] / "docs" / "ecr.md"
BUILT = ("crane", "oras", "helm")


def test_the_commands_work(daemon: Machine, registry: Registry, tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    storage = tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/storage"\n')
    folders = [str(Path(sys.executable).parent), *(str(program(name).parent) for name in BUILT)]
    environment = {
        **aws_environment(registry.server),
        "PATH": os.pathsep.join([*folders, os.environ["PATH"]]),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "AWS_PAGER": "",
        "DOCKER_BUILDKIT": "0",
    }
    (tmp_path / "work").mkdir()
    script = "set -euxo pipefail\n" + "\n".join(blocks)
    done = daemon.run(("bash", "-c", script), tmp_path / "work", env=environment, timeout=240)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    assert registry.images("shop/web").keys() == {"v1", "stable"}
    for text in ("shop/web\n", "application/spdx+json", "kind: Deployment"):
        assert text in done.stdout
