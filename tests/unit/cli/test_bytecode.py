from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ASK = "import sys; from roadstead.cli.bytecode import keep_bytecode as k; k(); print(sys.pycache_prefix, sys.dont_write_bytecode)"


def asked(environment: dict[str, str]) -> list[str]:
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env={**path, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_it_is_kept_elsewhere_where_it_may_not_lie_beside_the_sources(tmp_path: Path):
    prefix = str(tmp_path / "roadstead" / "python")
    assert asked({"XDG_CACHE_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}) == [prefix, "False"]


def test_otherwise_python_does_as_always(tmp_path: Path):
    assert asked({"XDG_CACHE_HOME": str(tmp_path)}) == ["None", "False"]
    chosen = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/elsewhere"}
    assert asked(chosen) == ["/elsewhere", "True"]
