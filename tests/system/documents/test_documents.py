"""The commands of the user documents, run as a reader would type them, on a host of their own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from tests.support.namespaces import played_host

from roadstead.kernel.ids import directory_tag

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[3]
DOCUMENTS = {
    "docs/run-a-task.md": ("It runs.", "serving on port 80"),
    "docs/iam.md": ("assumed-role/operator/", "111122223333"),
    "docs/forwarding.md": ("hello from the store", "store/private/secret.txt\timplicitDeny"),
}
"""What a document's commands print, beside whatever else they do."""


def commands(document: Path) -> str:
    """Every bash block, in order, as one script that stops at the first failure, shows what it runs and leaves no process."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks, f"{document} has no commands"
    return "set -euo pipefail\ntrap 'jobs -p | xargs -r kill 2>/dev/null || true' EXIT\nset -x\n" + "\n".join(blocks)


@pytest.mark.parametrize(("document", "shown"), DOCUMENTS.items(), ids=list(DOCUMENTS))
def test_the_commands_work(document: str, shown: tuple[str, ...], tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text(commands(ROOT / document))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    bin_directory = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PATH": f"{bin_directory}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "XDG_DATA_HOME": str(tmp_path / "share"),
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
        "AWS_PAGER": "",
    }
    data = tmp_path / "share" / "roadstead"
    with played_host() as host:
        try:
            done = host.run(["bash", str(script)], cwd=tmp_path, env=environment, timeout=280)
        finally:
            host.run(["roadstead", "down"], cwd=tmp_path, env=environment, timeout=240)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-6000:]}"
        assert all(text in done.stdout for text in shown), done.stdout
        config = (tmp_path / ".aws" / "config").read_text()
        assert config.startswith("[profile roadstead]\n")
        assert not Path(f"/run/roadstead-{directory_tag(str(data.resolve()))}").exists()
