"""What can go wrong between the agent and containerd, as types the task engine can tell apart.

The `Cannot...` errors carry, as their text, the reason that ECS shows for a container, prefix included.
"""

from __future__ import annotations


class RuntimeFault(Exception):
    """The base of every error of the runtime layer."""


class ContainerdUnavailable(RuntimeFault):
    """containerd does not answer: it is starting, restarting, or a call passed its deadline. Trying again makes sense."""


class ContainerdError(RuntimeFault):
    """containerd refused a call, for a reason with no type of its own here."""


class NotFound(ContainerdError):
    """The container, image, snapshot or process does not exist."""


class AlreadyExists(ContainerdError):
    """Something of that name exists."""


class FailedPrecondition(ContainerdError):
    """The thing exists, but not in a state in which this call is possible."""


class CannotPullContainer(RuntimeFault):
    """The image could not be brought here."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"CannotPullContainerError: {detail}")
        self.detail = detail


class ImageNotFound(CannotPullContainer):
    """The registry knows no such repository, tag or digest."""


class PullDenied(CannotPullContainer):
    """The registry refuses these credentials (401 or 403)."""


class RegistryUnreachable(CannotPullContainer):
    """The registry did not answer, broke off, or answered 429 or 5xx. Trying again makes sense."""


class RegistryAway(RegistryUnreachable):
    """Nobody took the connection to the registry, which is our own server: it is starting or restarting."""


class CannotCreateContainer(RuntimeFault):
    """The container could not be made from its specification."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"CannotCreateContainerError: {detail}")
        self.detail = detail


class CannotStartContainer(RuntimeFault):
    """The container's process did not start: a command that does not exist, for example."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"CannotStartContainerError: {detail}")
        self.detail = detail
