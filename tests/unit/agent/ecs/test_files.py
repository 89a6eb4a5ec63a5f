from __future__ import annotations

import os
from pathlib import Path

from roadstead.agent.ecs.files import TaskFiles

DEPTH = 3000


def deep(below: Path) -> None:
    """A directory in a directory in a directory, as a program makes them that goes down as it does."""
    directory = os.open(below, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("in", dir_fd=directory)
        inner = os.open("in", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
    os.close(directory)


def test_what_containers_left_in_volumes_is_deleted_however_deep_it_lies(tmp_path: Path):
    kept = tmp_path / "kept"
    kept.mkdir()
    files = TaskFiles(tmp_path, "task")
    volume = tmp_path / "task" / "volumes" / "data"
    volume.mkdir(parents=True)
    (volume / "file").write_text("x")
    (volume / "link").symlink_to(kept)
    (files.scratch("main") / "hosts").write_text("x")
    deep(volume)
    files.remove()
    assert list(tmp_path.iterdir()) == [kept]
    files.remove()
