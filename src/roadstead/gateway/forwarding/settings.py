"""The upstreams in `roadstead.toml`: which service, where, and with which credentials."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from roadstead.kernel.settings_file import BadSettings, SettingsFile

TABLE = "upstream"
_ENDPOINT = re.compile(r"https?://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.{}-]+)(:\d{1,5})?/?", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
REGION_PLACE = "{region}"


class BadUpstream(BadSettings):
    """The file can't be used; the text names the file, the upstream and what to change."""


class UpstreamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One upstream.

    `service` is boto3's name of it; `endpoint` may have `{region}` in its host, which the caller's region replaces. `region` is what calls are
    signed for, the caller's own without it. The upstream belongs to `account`, the deployment's own without it; its ARNs have `arn_account`, or
    else that. `addressing` is S3's. Credentials are written here, or come from a profile of the AWS files, or from the server's environment.
    `connect_timeout` and `timeout` are seconds: until the connection is made, and between two pieces of an answer. `ca_file` holds the
    certificates to trust beside none else.
    """

    service: str
    endpoint: str
    region: str | None = None
    account: str | None = None
    arn_account: str | None = None
    addressing: Literal["path", "virtual"] = "path"
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None
    profile: str | None = None
    environment: bool = False
    connect_timeout: float = 5.0
    timeout: float = 60.0
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"UpstreamSettings({self.service} at {self.endpoint})"


def read_upstreams(file: SettingsFile) -> tuple[UpstreamSettings, ...]:
    """The upstreams of a configuration file; raises BadUpstream.

    A file with a secret in it must be readable by its owner alone, as the AWS files are.
    """
    path = file.path
    try:
        found = msgspec.convert(file.tables.get(TABLE, ()), tuple[UpstreamSettings, ...])
    except msgspec.ValidationError as error:
        raise BadUpstream(f"{path}: {TABLE}: {error}") from error
    for each in found:
        problem = _problem(each)
        if problem is None and each.secret_access_key:
            problem = file.exposed("its secret")
        if problem is not None:
            raise BadUpstream(f"{path}: the upstream of {each.service}: {problem}")
    pairs = [(each.service, each.account) for each in found]
    for pair in pairs:
        if pairs.count(pair) > 1:
            raise BadUpstream(f"{path}: the upstream of {pair[0]} is there twice for the same account")
    return found


def _problem(settings: UpstreamSettings) -> str | None:
    static = settings.access_key_id is not None or settings.secret_access_key is not None
    if _ENDPOINT.fullmatch(settings.endpoint.replace(REGION_PLACE, "region")) is None:
        return "endpoint must be http://HOST:PORT or https://HOST:PORT"
    for account in (settings.account, settings.arn_account):
        if account is not None and _ACCOUNT.fullmatch(account) is None:
            return "account and arn_account must have twelve digits"
    if static and not (settings.access_key_id and settings.secret_access_key):
        return "access_key_id and secret_access_key go together"
    if sum((static, settings.profile is not None, settings.environment)) != 1:
        return "give access_key_id and secret_access_key, or profile, or environment = true"
    if settings.connect_timeout <= 0 or settings.timeout <= 0:
        return "connect_timeout and timeout must be more than 0 seconds"
    return None
