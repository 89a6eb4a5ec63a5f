"""Every service's package: importing them declares their operations and their tables."""

from __future__ import annotations

from roadstead.services import ec2, ecr, ecs, hosts, iam, logs, sts
from roadstead.services.operation import OPERATIONS

SERVICES = (ec2, ecr, ecs, hosts, iam, logs, sts)

DECLARED = frozenset(OPERATIONS)
"""The names of all operations that are built, `service:Operation`."""
