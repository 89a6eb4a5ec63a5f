"""The file that names upstreams."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session

from roadstead.gateway.forwarding import BadUpstream, UpstreamSettings, read_upstreams
from roadstead.gateway.forwarding.credentials import NoKeys, key_source
from roadstead.gateway.forwarding.upstreams import open_upstreams
from roadstead.kernel.settings import Deployment
from roadstead.kernel.settings_file import SettingsFile, read_settings_file

KEYS = 'access_key_id = "k"\nsecret_access_key = "s3cret"\n'
S3 = f'[[upstream]]\nservice = "s3"\nendpoint = "http://127.0.0.1:9000"\n{KEYS}'


def written(tmp_path: Path, text: str, mode: int = 0o600) -> SettingsFile:
    path = tmp_path / "roadstead.toml"
    path.write_text(text)
    path.chmod(mode)
    return read_settings_file(path, ("upstream", "ecr"))


def test_an_upstream(tmp_path: Path) -> None:
    (s3,) = read_upstreams(written(tmp_path, S3))
    assert (s3.service, s3.endpoint, s3.addressing, s3.timeout) == ("s3", "http://127.0.0.1:9000", "path", 60.0)
    assert "s3cret" not in repr(s3)
    assert read_upstreams(written(tmp_path, "")) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[upstream]]\nservice = "s3"\n', "missing required field `endpoint`"),
        (S3 + "secret = 1\n", "unknown field `secret`"),
        (S3 + "timeout = 0\n", "more than 0"),
        (S3 + 'account = "1"\n', "must have twelve digits"),
        (S3 + 'profile = "p"\n', "or profile"),
        (S3.replace(KEYS, ""), "give access_key_id"),
        (S3.replace('secret_access_key = "s3cret"\n', ""), "go together"),
        (S3.replace("http://", "ftp://"), "endpoint must be"),
        (S3.replace(":9000", ":9000/path"), "endpoint must be"),
        (S3 + S3, "there twice"),
        (S3.replace('service = "s3"', "service = 3"), "Expected `str`"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadUpstream) as caught:
        read_upstreams(written(tmp_path, text))
    assert told in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = written(tmp_path, S3, mode)
    with pytest.raises(BadUpstream, match=f"chmod 600 {file.path}"):
        read_upstreams(file)
    without = written(tmp_path, S3.replace(KEYS, 'profile = "p"\n'), mode)
    assert read_upstreams(without)[0].profile == "p"


def opened(tmp_path: Path, **changes: str) -> object:
    known = {"service": "s3", "endpoint": "http://h:1", "access_key_id": "k", "secret_access_key": "s"}
    settings = UpstreamSettings(**{**known, **changes})  # type: ignore[arg-type]
    return open_upstreams([settings], Deployment(tmp_path), {"ecs", "iam"})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"service": "ecs"}, "has this service itself"),
        ({"service": "s4"}, "no service of this name"),
        ({"service": "route53"}, "its protocol, rest-xml, is passed on for s3 only"),
        ({"service": "cloudcontrol"}, "nothing is known of its actions"),
        ({"endpoint": "http://127.0.0.1:4566"}, "is this server itself"),
        ({"endpoint": "http://localhost:4566/"}, "is this server itself"),
    ],
)
def test_what_can_not_be_passed_on_is_told(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    with pytest.raises(BadUpstream, match=told):
        opened(tmp_path, **changes)


def test_keys_from_a_profile_and_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "credentials"
    shared.write_text("[store]\naws_access_key_id = a\naws_secret_access_key = s3cret\naws_session_token = c\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    settings = UpstreamSettings(service="s3", endpoint="http://h:1", profile="store")
    (upstream,) = open_upstreams([settings], Deployment(tmp_path), ())
    assert "s3cret" not in repr(upstream)
    missing = UpstreamSettings(service="s3", endpoint="http://h:1", profile="other")
    with pytest.raises(BadUpstream, match="other"):
        open_upstreams([missing], Deployment(tmp_path), ())
    environment = UpstreamSettings(service="s3", endpoint="http://h:1", environment=True)
    with pytest.raises(BadUpstream, match="not in the server's environment"):
        open_upstreams([environment], Deployment(tmp_path), ())


async def test_a_profile_whose_role_is_refused_gives_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile base]\naws_access_key_id = k\naws_secret_access_key = s\n"
        "[profile store]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nregion = us-east-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    denied = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"

    def send(_session: object, request: AWSPreparedRequest) -> AWSResponse:
        return AWSResponse(request.url, 403, HTTPHeaders(), BytesIO(denied))

    monkeypatch.setattr(AWSResponse, "content", property(lambda answer: answer.raw.getvalue()))
    monkeypatch.setattr(URLLib3Session, "send", send)
    source = key_source(UpstreamSettings(service="s3", endpoint="http://h:1", profile="store"))
    with pytest.raises(NoKeys, match=r"the profile store gives no credentials: .*AccessDenied.* not you"):
        await source.current()
