from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.kernel.settings import Credential, PullThrough, Upstream
from roadstead.kernel.settings_file import SettingsFile, read_settings_file
from roadstead.server.ecr_settings import BadEcrSettings, EcrSettings, read_ecr_settings

GOOD = """
[ecr.quotas]
ImagesPerRepository = 5

[ecr.upstreams]
"registry.example.com:5000" = "https://registry.example.com:5000"

[ecr.secrets."ecr-pullthroughcache/hub"]
username = "me"
access_token = "abc"
"""


def written(directory: Path, text: str, mode: int = 0o600) -> SettingsFile:
    path = directory / "roadstead.toml"
    path.write_text(text)
    path.chmod(mode)
    return read_settings_file(path, ("ecr", "other"))


def test_a_file_with_everything(tmp_path: Path) -> None:
    assert read_ecr_settings(written(tmp_path, GOOD)) == EcrSettings(
        {"ImagesPerRepository": 5},
        PullThrough(
            {"registry.example.com:5000": Upstream("https://registry.example.com:5000")},
            {"ecr-pullthroughcache/hub": Credential("me", "abc")},
        ),
    )


def test_a_file_about_something_else(tmp_path: Path) -> None:
    assert read_ecr_settings(written(tmp_path, "[other]\nx = 1\n", 0o644)) == EcrSettings()


def test_a_secret_is_not_printed(tmp_path: Path) -> None:
    assert "abc" not in repr(read_ecr_settings(written(tmp_path, GOOD)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ecr = 1", "Expected `object`"),
        ("[ecr]\nx = 1\n", "unknown field `x`"),
        ("[ecr.quotas]\nNone = 1\n", "ecr.quotas knows RepositoriesPerRegistry"),
        ("[ecr.quotas]\nLayerBytes = -1\n", "ecr.quotas.LayerBytes is less than 0"),
        ('[ecr.upstreams]\n"a/b" = "https://a"\n', "ecr.upstreams has a host"),
        ('[ecr.upstreams]\n"a" = "ftp://a"\n', "must be http://HOST:PORT"),
        ('[ecr.secrets.x]\nusername = "a"\naccess_token = "b"\n', "are named ecr-pullthroughcache/"),
        ('[ecr.secrets."ecr-pullthroughcache/x"]\nusername = "a"\n', "access_token"),
    ],
)
def test_what_can_not_be_used(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadEcrSettings) as refused:
        read_ecr_settings(written(tmp_path, text))
    assert complaint in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_secrets_that_others_can_read(tmp_path: Path) -> None:
    with pytest.raises(BadEcrSettings) as refused:
        read_ecr_settings(written(tmp_path, GOOD, 0o644))
    assert "chmod 600" in str(refused.value)
