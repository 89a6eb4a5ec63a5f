"""What an agent remembers of itself between runs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger(__name__)


class Identity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The container instance it is, the greatest timeline it has seen on its link, how FARGATE tasks run.

    `client_token` is of a registration that has no answer yet.
    """

    cluster: str = ""
    container_instance_arn: str = ""
    timeline: int = 0
    fargate_runtime: str = ""
    client_token: str = ""


class IdentityFile:
    """`instance.json`: read once, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.value = self._written = Identity()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            try:
                self.value = self._written = msgspec.json.decode(path.read_bytes(), type=Identity)
            except msgspec.MsgspecError as error:
                log.warning("identity is unreadable, registering anew", path=str(path), error=str(error))

    def update(self, **changes: str | int) -> None:
        """Change some of it; raises OSError where that can't be written. What is as it was needs no space on the disk."""
        self.value = msgspec.structs.replace(self.value, **changes)
        if self.value == self._written:
            return
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(self.value))
        temporary.replace(self._path)
        self._written = self.value
