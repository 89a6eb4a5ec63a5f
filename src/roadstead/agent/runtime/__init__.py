"""The container runtime: containerd through its own API, with runc and gVisor below it.

`Runtime` is all that the task engine needs; its values are in `model`, its errors in `errors`, its settings in `config`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadstead.agent.runtime.cgroups import TaskUsage
from roadstead.agent.runtime.cleanup import release
from roadstead.agent.runtime.config import EnginePaths, RuntimeSettings
from roadstead.agent.runtime.config import write as write_configuration
from roadstead.agent.runtime.errors import (
    CannotCreateContainer,
    CannotPullContainer,
    CannotStartContainer,
    ContainerdError,
    ContainerdUnavailable,
    FailedPrecondition,
    ImageNotFound,
    NotFound,
    PullDenied,
    RegistryAway,
    RegistryUnreachable,
    RuntimeFault,
)
from roadstead.agent.runtime.model import (
    ContainerExit,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    Device,
    ExecSpec,
    Image,
    ImageConfig,
    Isolation,
    Mount,
    Output,
    PullProgress,
    TaskSpec,
    Ulimit,
)

if TYPE_CHECKING:
    from roadstead.agent.runtime.runtime import Runtime

__all__ = [
    "CannotCreateContainer",
    "CannotPullContainer",
    "CannotStartContainer",
    "ContainerExit",
    "ContainerSpec",
    "ContainerState",
    "ContainerStatus",
    "ContainerdError",
    "ContainerdUnavailable",
    "Device",
    "EnginePaths",
    "ExecSpec",
    "FailedPrecondition",
    "Image",
    "ImageConfig",
    "ImageNotFound",
    "Isolation",
    "Mount",
    "NotFound",
    "Output",
    "PullDenied",
    "PullProgress",
    "RegistryAway",
    "RegistryUnreachable",
    "Runtime",
    "RuntimeFault",
    "RuntimeSettings",
    "TaskSpec",
    "TaskUsage",
    "Ulimit",
    "release",
    "write_configuration",
]


def __getattr__(name: str) -> object:
    """`Runtime` brings gRPC: it is imported when first asked for, so that commands that only read settings start quickly."""
    if name == "Runtime":
        from roadstead.agent.runtime.runtime import Runtime

        return Runtime
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
