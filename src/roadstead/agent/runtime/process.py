"""What runs: an image's configuration and a container's overrides, combined by Docker's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from roadstead.agent.runtime.model import ContainerSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NoCommand(ValueError):
    """Neither the image nor the container says what to run."""


@dataclass(frozen=True, slots=True)
class Process:
    """The first process of a container, before its user's name is resolved."""

    args: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    working_directory: str


def combine(spec: ContainerSpec) -> Process:
    """The process of `spec`; raises NoCommand.

    An entry point of the container's own drops the image's command. An empty tuple counts as none given, as in Docker's API.
    """
    config = spec.image.config
    inherited = config.entrypoint + (spec.command or config.command)
    args = spec.entrypoint + (spec.command or ()) if spec.entrypoint else inherited
    if not args:
        raise NoCommand("no command specified")
    environment = {"PATH": DEFAULT_PATH, **config.environment, **spec.environment}
    return Process(
        args=args,
        environment=environment,
        user=spec.user if spec.user is not None else config.user,
        working_directory=spec.working_directory or config.working_directory or "/",
    )
