from __future__ import annotations

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from roadstead.agent.runtime.client import translate
from roadstead.agent.runtime.errors import ContainerdError, ContainerdUnavailable, FailedPrecondition, NotFound


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (Status.NOT_FOUND, "container x: not found", NotFound),
        (Status.FAILED_PRECONDITION, "process is running", FailedPrecondition),
        (Status.UNAVAILABLE, "connection error", ContainerdUnavailable),
        (Status.DEADLINE_EXCEEDED, "", ContainerdUnavailable),
        (Status.UNKNOWN, "context deadline exceeded", ContainerdUnavailable),
        (Status.UNKNOWN, "failed to wait: context canceled", ContainerdUnavailable),
        (Status.UNKNOWN, "exec: no such file or directory", ContainerdError),
        (Status.INTERNAL, "context deadline exceeded: unable to start container", ContainerdError),
    ],
)
def test_the_kind_of_an_error(status: Status, message: str, kind: type[Exception]) -> None:
    assert type(translate(GRPCError(status, message))) is kind
