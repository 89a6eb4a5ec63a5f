from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from roadstead.engines.supervise import logs
from roadstead.engines.supervise.logs import Rotation, tail


def test_a_writer_that_never_reopens_goes_on_in_the_emptied_file(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    writer = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(writer, b"old\n" * 10)
        assert Rotation(maximum=20).rotate(log)
        os.write(writer, b"new\n")
    finally:
        os.close(writer)
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"old\n" * 10


def test_only_so_many_are_kept_the_youngest_first(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    rotation = Rotation(maximum=1, keep=2)
    for text in ("one", "two", "three"):
        log.write_text(text)
        assert rotation.rotate(log)
    assert [(tmp_path / f"x.log.{n}").read_text() for n in (1, 2)] == ["three", "two"]
    assert not (tmp_path / "x.log.3").exists()


def test_on_a_full_disk_the_old_output_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: int, target: Path) -> None:
        target.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(logs, "_copy", full)
    log = tmp_path / "x.log"
    log.write_text("old")
    assert Rotation(maximum=1).rotate(log)
    assert log.read_text() == ""
    assert not (tmp_path / "x.log.1").exists()


def test_a_small_or_missing_file_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert not Rotation().rotate(log)
    log.write_text("small")
    assert not Rotation().rotate(log)
    assert log.read_text() == "small"


def test_tail(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert tail(log) == []
    log.write_text("".join(f"line {n}\n" for n in range(1000)))
    assert tail(log, 2) == ["line 998", "line 999"]
    assert tail(log, 5, limit=9) == ["line 999"]
