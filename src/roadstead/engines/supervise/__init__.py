"""Supervising processes: start in order, watch, restart, stop, adopt after a crash."""

from roadstead.engines.supervise.checks import Check, HttpCheck, NotReady, UnixSocketCheck, always_ready
from roadstead.engines.supervise.lifecycle import RestartPolicy, State
from roadstead.engines.supervise.lock import AlreadySupervised, beginning
from roadstead.engines.supervise.logs import Rotation, tail
from roadstead.engines.supervise.record import ChildRecord
from roadstead.engines.supervise.spec import ProcessSpec
from roadstead.engines.supervise.status import (
    Status,
    StillBeginning,
    read_status,
    shut_down,
    stop_beginner,
    until_recorded,
)
from roadstead.engines.supervise.supervisor import ProcessFailed, Supervisor, log_path

__all__ = [
    "AlreadySupervised",
    "Check",
    "ChildRecord",
    "HttpCheck",
    "NotReady",
    "ProcessFailed",
    "ProcessSpec",
    "RestartPolicy",
    "Rotation",
    "State",
    "Status",
    "StillBeginning",
    "Supervisor",
    "UnixSocketCheck",
    "always_ready",
    "beginning",
    "log_path",
    "read_status",
    "shut_down",
    "stop_beginner",
    "tail",
    "until_recorded",
]
