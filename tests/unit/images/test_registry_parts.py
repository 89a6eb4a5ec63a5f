"""Challenges, kept passwords, places: what decides where credentials go."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.images.errors import Refused
from roadstead.images.registry.challenge import Challenge, read_challenge
from roadstead.images.registry.docker_config import kept_authorization
from roadstead.images.registry.journal import Journal
from roadstead.images.registry.places import Place, require_private


def test_a_bearer_challenge() -> None:
    header = (
        'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push",error=x'
    )
    assert read_challenge([header]) == Challenge(
        "bearer", "https://auth.example/token", "registry.example", "repository:a/b:pull,push"
    )


def test_bearer_goes_before_basic_and_others_are_unknown() -> None:
    found = read_challenge(['Basic realm="x"', 'bearer Realm="https://y"', "Negotiate"])
    assert found == Challenge("bearer", "https://y")
    assert read_challenge(["Negotiate"]) is None
    assert read_challenge([r'Basic realm="a\"b"']) == Challenge("basic", 'a"b')


@given(st.text(max_size=100))
def test_any_header_is_read(text: str) -> None:
    read_challenge([text])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("localhost", "http://localhost"),
        ("1.dkr.ecr.x.localhost:4566", "http://1.dkr.ecr.x.localhost:4566"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000"),
        ("localhost.example.com", "https://localhost.example.com"),
        ("docker.io", "https://registry-1.docker.io"),
    ],
)
def test_plain_http_is_for_loopback(host: str, url: str) -> None:
    assert Place.of_host(host).url == url


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://localhost.evil.example/", "ftp://127.0.0.1/", "file:///etc/passwd", ""]
)
def test_nothing_private_is_sent_in_the_clear(url: str) -> None:
    with pytest.raises(Refused, match="is not asked"):
        require_private(url)


def _environment(folder: Path, config: dict[str, object]) -> dict[str, str]:
    (folder / "config.json").write_text(json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "HOME": str(folder)}


async def test_what_docker_login_kept(tmp_path: Path) -> None:
    auth = base64.b64encode(b"me:secret").decode()
    environment = _environment(
        tmp_path, {"auths": {"127.0.0.1:5000": {"auth": auth}, "https://index.docker.io/v1/": {"auth": auth}}}
    )
    assert await kept_authorization("127.0.0.1:5000", environment) == f"Basic {auth}"
    assert await kept_authorization("docker.io", environment) == f"Basic {auth}"
    assert await kept_authorization("127.0.0.1:5001", environment) is None


async def test_a_credential_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(
        '#!/bin/sh\nread name\n[ "$name" = known.example ] && echo \'{"Username":"u","Secret":"s"}\' && exit 0\n'
        'echo "credentials not found in native keychain"; exit 1\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    environment = _environment(tmp_path, {"credsStore": "test", "auths": {"known.example": {}}})
    assert await kept_authorization("known.example", environment) == "Basic " + base64.b64encode(b"u:s").decode()
    assert await kept_authorization("other.example", environment) is None


@pytest.mark.parametrize("helper", ["missing", "../../bin/sh"])
async def test_a_helper_that_is_none_is_named(helper: str, tmp_path: Path) -> None:
    environment = _environment(tmp_path, {"credHelpers": {"x.example": helper}})
    with pytest.raises(Refused, match=helper.replace(".", r"\.")):
        await kept_authorization("x.example", environment)


async def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(Refused, match=r"config\.json can't be read"):
        await kept_authorization("x.example", {"DOCKER_CONFIG": str(tmp_path)})


def test_the_journal_remembers_and_forgets(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "state" / "uploads.json")
    assert journal.find("h", "r", "d") is None
    journal.keep("h", "r", "d", "/v2/r/blobs/uploads/1")
    assert Journal(tmp_path / "state" / "uploads.json").find("h", "r", "d") == "/v2/r/blobs/uploads/1"
    journal.keep("h", "r", "d", None)
    assert journal.find("h", "r", "d") is None
    (tmp_path / "state" / "uploads.json").write_text("{")
    assert journal.find("h", "r", "d") is None


@pytest.mark.parametrize("place", ["file/state/uploads.json", "locked/uploads.json", "held/uploads.json"])
def test_a_journal_that_can_not_be_kept_is_none(place: str, tmp_path: Path) -> None:
    """As in a container whose home is not there, or on a disk that is full."""
    (tmp_path / "file").touch()
    (tmp_path / "locked" / "uploads.lock").mkdir(parents=True)
    (tmp_path / "held" / "uploads.json").mkdir(parents=True)
    journal = Journal(tmp_path / place)
    journal.keep("h", "r", "d", "/v2/r/blobs/uploads/1")
    assert journal.find("h", "r", "d") is None
