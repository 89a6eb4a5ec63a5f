"""The commands of the registries' documents that take real clients, run as a reader would type them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.clients import Registry, aws_environment, program
from tests.support.machine import Machine

DOCUMENTS = Path(__file__).parents[3] / "docs"
BUILT = ("crane", "oras", "helm")


def test_the_private_registry(daemon: Machine, registry: Registry, tmp_path: Path) -> None:
    shown = run("ecr.md", 3, BUILT, daemon, registry, tmp_path)
    assert registry.images("shop/web").keys() == {"v1", "stable"}
    for text in ("shop/web\n", "application/spdx+json", "kind: Deployment"):
        assert text in shown


def test_the_public_registry(daemon: Machine, registry: Registry, tmp_path: Path) -> None:
    shown = run("ecr-public.md", 2, ("helm",), daemon, registry, tmp_path)
    assert "who pushes has to sign in" in shown
    assert f"Downloaded newer image for {registry.public_host}/{registry.alias}/tools/page:v1" in shown
    assert "kind: Deployment" in shown
    public = registry.server.client("ecr-public")
    for name, tag in (("tools/page", "v1"), ("charts/page", "0.1.0")):
        (found,) = public.describe_image_tags(repositoryName=name)["imageTagDetails"]
        assert found["imageTag"] == tag


def run(document: str, count: int, built: Sequence[str], daemon: Machine, registry: Registry, folder: Path) -> str:
    """Run the `count` blocks of a document that are marked `sh`, with clients that we built on the path; what they printed."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (DOCUMENTS / document).read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == count
    storage = folder / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/storage"\n')
    folders = [str(Path(sys.executable).parent), *(str(program(name).parent) for name in built)]
    environment = {
        **aws_environment(registry.server),
        "PATH": os.pathsep.join([*folders, os.environ["PATH"]]),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "CONTAINERS_STORAGE_CONF": str(storage),
        "AWS_PAGER": "",
        "DOCKER_BUILDKIT": "0",
    }
    (folder / "work").mkdir()
    script = "set -euxo pipefail\n" + "\n".join(blocks)
    done = daemon.run(("bash", "-c", script), folder / "work", env=environment, timeout=240)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    return done.stdout
