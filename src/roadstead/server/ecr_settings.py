"""The table `[ecr]` of `roadstead.toml`: quotas, further upstreams of pull through caches, and credentials for upstreams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from roadstead.kernel.settings import Credential, PullThrough, Upstream
from roadstead.kernel.settings_file import BadSettings, SettingsFile
from roadstead.services.ecr.quotas import QUOTAS

TABLE = "ecr"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?", re.ASCII)
_URL = re.compile(r"https?://(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?/?", re.ASCII)
_SECRET = re.compile(r"ecr-pullthroughcache/[A-Za-z0-9/_+=.@-]+", re.ASCII)


class BadEcrSettings(BadSettings):
    """The file can't be used; the text names the file and what to change."""


class _Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: str
    access_token: str


class _Ecr(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quotas: dict[str, int] = {}
    upstreams: dict[str, str] = {}
    secrets: dict[str, _Secret] = {}


@dataclass(frozen=True, slots=True)
class EcrSettings:
    """What a deployment says of its registries; quotas are those that differ from AWS's."""

    quotas: Mapping[str, int] = field(default_factory=dict[str, int])
    pull_through: PullThrough = field(default_factory=PullThrough)


def read_ecr_settings(file: SettingsFile) -> EcrSettings:
    """The settings of a file, AWS's where it says nothing of them; raises BadEcrSettings.

    A file with secrets in it must be readable by its owner alone, as the AWS files are.
    """
    try:
        found = msgspec.convert(file.tables.get(TABLE, {}), _Ecr)
    except msgspec.ValidationError as error:
        raise BadEcrSettings(f"{file.path}: {TABLE}: {error}") from error
    problem = _problem(found)
    if problem is None and found.secrets:
        problem = file.exposed("its secrets")
    if problem is not None:
        raise BadEcrSettings(f"{file.path}: {problem}")
    return EcrSettings(
        found.quotas,
        PullThrough(
            upstreams={host: Upstream(url) for host, url in found.upstreams.items()},
            secrets={name: Credential(each.username, each.access_token) for name, each in found.secrets.items()},
        ),
    )


def _problem(settings: _Ecr) -> str | None:
    for name, number in settings.quotas.items():
        if name not in QUOTAS:
            return f"ecr.quotas knows {', '.join(QUOTAS)}, not {name!r}"
        if number < 0:
            return f"ecr.quotas.{name} is less than 0"
    for host, url in settings.upstreams.items():
        if not _HOST.fullmatch(host):
            return f"ecr.upstreams has a host and a port at most for a name, not {host!r}"
        if not _URL.fullmatch(url):
            return f"ecr.upstreams.{host!r} must be http://HOST:PORT or https://HOST:PORT"
    for name in settings.secrets:
        if not _SECRET.fullmatch(name):
            return f"ecr.secrets are named ecr-pullthroughcache/…, not {name!r}"
    return None
