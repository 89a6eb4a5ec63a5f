from __future__ import annotations

import os
from pathlib import Path

import pytest

from roadstead.cli.profile import has_profile, with_section, write_profile
from roadstead.server.files import Credentials

VALUES = {"region": "us-east-1"}
SECTION = "[profile roadstead]\nregion = us-east-1\n"


def test_a_new_section_goes_to_the_end():
    assert with_section("", "profile roadstead", VALUES) == SECTION
    assert with_section("[default]\na = b", "profile roadstead", VALUES) == f"[default]\na = b\n\n{SECTION}"
    assert with_section("[default]\na = b\n", "profile roadstead", VALUES) == f"[default]\na = b\n\n{SECTION}"


def test_an_old_one_is_replaced_and_all_others_stay():
    before = "# mine\n[default]\na = b\n[profile roadstead]\nold = 1\nnested =\n  x = y\n[profile roadstead2]\nc = d\n"
    after = with_section(before, "profile roadstead", VALUES)
    assert after == f"# mine\n[default]\na = b\n{SECTION}[profile roadstead2]\nc = d\n"
    assert with_section(after, "profile roadstead", VALUES) == after


KEY = Credentials(
    account="000000000000", region="us-east-1", endpoint="http://x", access_key_id="A", secret_access_key="S"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("AWS_CONFIG_FILE", raising=False)
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
    return tmp_path


def test_files_behind_links_are_written_and_the_links_stay(home: Path):
    (home / ".aws").mkdir()
    elsewhere = home / "dotfiles"
    elsewhere.write_text("[default]\n")
    (home / ".aws" / "config").symlink_to(elsewhere)
    write_profile(KEY, home)
    assert (home / ".aws" / "config").is_symlink()
    assert "[profile roadstead]" in elsewhere.read_text()


def test_bytes_that_are_not_utf_8_stay(home: Path):
    (home / ".aws").mkdir()
    config = home / ".aws" / "config"
    config.write_bytes(b"# caf\xe9\n[default]\na = b\n")
    assert not has_profile("roadstead", home)
    write_profile(KEY, home)
    assert config.read_bytes().startswith(b"# caf\xe9\n[default]\na = b\n\n[profile roadstead]\n")
    assert has_profile("roadstead", home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes files for others")
def test_what_root_writes_belongs_to_the_owner_of_the_home(home: Path):
    os.chown(home, 1234, 1234)
    write_profile(KEY, home)
    (home / ".aws" / "config").write_text("")
    write_profile(KEY, home)
    for path in (home / ".aws", home / ".aws" / "config", home / ".aws" / "credentials"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1234)
