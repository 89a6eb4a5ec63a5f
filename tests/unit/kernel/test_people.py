from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from roadstead.kernel.people import person_home

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SUDO_UID", str(NOBODY.pw_uid))


def test_behind_sudo_it_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert person_home() == Path(NOBODY.pw_dir)


@pytest.mark.parametrize("uid", ["", "no number", "4000000000"])
def test_without_sudo_it_is_ones_own(uid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", uid)
    assert person_home() == tmp_path


def test_a_variable_left_over_means_nothing_to_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert person_home() == tmp_path
