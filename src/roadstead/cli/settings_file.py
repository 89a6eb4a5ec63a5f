"""The settings that a deployment's file holds (`roadstead.toml`): upstreams of other services, and what `[ecr]` says."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from roadstead.cli.failure import CommandFailed
from roadstead.cli.settings import Config, settings_file
from roadstead.kernel.settings_file import BadSettings, read_settings_file

if TYPE_CHECKING:
    from roadstead.gateway.forwarding import UpstreamSettings
    from roadstead.server.ecr_settings import EcrSettings


@dataclass(frozen=True, slots=True)
class FileSettings:
    """What the file says; a deployment without one has AWS's quotas and no upstreams."""

    upstreams: tuple[UpstreamSettings, ...]
    ecr: EcrSettings


def read(data: Path, config: Config) -> FileSettings:
    """The settings of the file; raises CommandFailed for a file that can't be used."""
    from roadstead.server.ecr_settings import TABLE as ECR
    from roadstead.server.ecr_settings import EcrSettings, read_ecr_settings

    path = settings_file(data, config)
    if path is None:
        return FileSettings((), EcrSettings())
    from roadstead.gateway.forwarding import TABLE as UPSTREAM
    from roadstead.gateway.forwarding import read_upstreams

    try:
        file = read_settings_file(path, (UPSTREAM, ECR))
        return FileSettings(read_upstreams(file), read_ecr_settings(file))
    except BadSettings as error:
        raise CommandFailed(str(error)) from error


def check(data: Path, config: Config) -> None:
    """Refuse a file that can't be used, before anything is started; raises CommandFailed. Loads nothing where there is no file."""
    if settings_file(data, config) is not None:
        read(data, config)


def revision(data: Path, config: Config) -> str:
    """A hash of the file: a server that runs with another one is started anew."""
    path = settings_file(data, config)
    return sha256(path.read_bytes()).hexdigest()[:12] if path is not None and path.is_file() else ""
