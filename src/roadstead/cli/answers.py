"""Questions to a deployment's own server over HTTP: does it answer, and does the Fargate pool take tasks?"""

from __future__ import annotations

from pathlib import Path

from roadstead.cli.settings import Config
from roadstead.engines.supervise import HttpCheck
from roadstead.kernel.ids import directory_tag


def api_answers(data: Path, config: Config) -> HttpCheck:
    """The server of this data directory answers."""
    return _check("/_roadstead/health", data, config)


def pool_takes_tasks(data: Path, config: Config) -> HttpCheck:
    """An agent of the Fargate pool is connected to a server."""
    return _check("/_roadstead/ready", data, config)


def _check(path: str, data: Path, config: Config) -> HttpCheck:
    return HttpCheck(path, host=config.host, port=config.port, holds=f'"instance":"{directory_tag(str(data))}"')
