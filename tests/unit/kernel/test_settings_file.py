from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.kernel.settings_file import BadSettings, read_settings_file


def test_the_tables_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "roadstead.toml"
    path.write_text("[ecr.quotas]\nx = 1\n[[upstream]]\nservice = 's3'\n")
    path.chmod(0o600)
    file = read_settings_file(path, ("upstream", "ecr"))
    assert file.tables == {"ecr": {"quotas": {"x": 1}}, "upstream": [{"service": "s3"}]}
    assert file.exposed("its secret") is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_others_can_reach_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "roadstead.toml"
    path.write_text("")
    path.chmod(mode)
    assert read_settings_file(path, ()).exposed("its secret") == f"its secret can be read by others: chmod 600 {path}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"[[upstream", "is not TOML"),
        (b"\xff", "can't be read"),
        (b"[upstreams]", "there is no table 'upstreams' in it: it can have upstream and ecr"),
        (None, "can't be read"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: bytes | None, told: str) -> None:
    path = tmp_path / "roadstead.toml"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(BadSettings, match=str(path)) as caught:
        read_settings_file(path, ("upstream", "ecr"))
    assert told in str(caught.value)
