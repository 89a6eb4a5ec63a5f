"""The directory of this deployment's network namespaces: each is a bind mount at /run/roadstead-TAG/netns/NAME."""

from __future__ import annotations

import errno
from pathlib import Path

from roadstead.agent.host.network.names import check_namespace, check_tag, is_namespace_name
from roadstead.agent.kernelnet.namespaces import create_namespace, delete_namespace, namespace_exists

RUN = Path("/run")


class NamespaceDirectory:
    """Makes, finds and frees named network namespaces. Its methods block for some milliseconds at most."""

    def __init__(self, tag: str, run: Path = RUN) -> None:
        self.root = run / f"roadstead-{check_tag(tag)}"
        self.resolv_conf = self.root / "resolv.conf"
        """What `roadstead connect` shows as /etc/resolv.conf."""
        self._directory = self.root / "netns"

    def path(self, name: str) -> Path:
        """Where the namespace `name` is mounted; raises InvalidName."""
        return self._directory / check_namespace(name)

    def exists(self, name: str) -> bool:
        """Whether `name` is a namespace now, not a file that a crash left without its mount."""
        return namespace_exists(self.path(name))

    def identity(self, name: str) -> int:
        """A number that is another one when the namespace was made anew; raises FileNotFoundError."""
        return self.path(name).stat().st_ino

    def names(self) -> tuple[str, ...]:
        """All names in the directory, in order, half-made ones included. A file that can't be a namespace of ours is none."""
        if not self._directory.is_dir():
            return ()
        return tuple(sorted(entry.name for entry in self._directory.iterdir() if is_namespace_name(entry.name)))

    def create(self, name: str) -> None:
        """Make the namespace unless it is there; raises OSError."""
        create_namespace(self.path(name))

    def delete(self, name: str) -> None:
        """Take the name away; the kernel frees the namespace when nothing is in it any more. A missing one is fine."""
        delete_namespace(self.path(name))

    def remove_directories(self) -> None:
        """Remove the directories; what other parts of the deployment keep beside the namespaces stays. Raises OSError."""
        self.resolv_conf.unlink(missing_ok=True)
        for directory in (self._directory, self.root):
            try:
                directory.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                    raise
