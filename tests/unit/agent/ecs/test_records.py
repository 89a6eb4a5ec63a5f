"""The checkpoint of tasks, and a disk that takes nothing for a while."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from roadstead.agent.ecs.records import RecordStore, TaskRecord
from roadstead.core.taskengine.model import Desired
from roadstead.wire.task import Task

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/default/0123456789abcdef0123456789abcdef"


def record() -> TaskRecord:
    return TaskRecord(task=Task(arn=ARN), desired=Desired.RUNNING, containers={}, received_at=1.0)


def loaded(directory: Path) -> list[Desired]:
    return [each.desired for each in RecordStore(directory).load()]


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A full disk, until it is undone."""

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", refuse)
    return monkeypatch


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    RecordStore(tmp_path).save(record())
    assert loaded(tmp_path) == [Desired.RUNNING]


def test_save_says_that_the_disk_is_full(tmp_path: Path, full: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="No space left"):
        RecordStore(tmp_path).save(record())


def test_what_is_kept_on_a_full_disk_is_written_as_it_is_once_there_is_space(
    tmp_path: Path, full: pytest.MonkeyPatch
) -> None:
    store, task = RecordStore(tmp_path), record()
    store.keep(task)
    store.catch_up()
    task.desired = Desired.STOPPED
    full.undo()
    assert loaded(tmp_path) == []
    store.catch_up()
    assert loaded(tmp_path) == [Desired.STOPPED]


def test_a_task_that_is_forgotten_is_not_written_later(tmp_path: Path, full: pytest.MonkeyPatch) -> None:
    store, task = RecordStore(tmp_path), record()
    store.keep(task)
    store.remove(task)
    full.undo()
    store.catch_up()
    assert loaded(tmp_path) == []
