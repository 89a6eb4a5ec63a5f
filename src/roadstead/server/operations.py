"""Every service's package: importing them declares their operations and their tables."""

from __future__ import annotations

from roadstead.services import accounts, ec2, ecr, ecs, hosts, iam, logs, sts
from roadstead.services.operation import OPERATIONS

SERVICES = (accounts, ec2, ecr, ecs, hosts, iam, logs, sts)

DECLARED = frozenset(OPERATIONS)
"""The names of all operations that are built, `service:Operation`."""
BUILT = frozenset(name.partition(":")[0] for name in DECLARED)
"""The services that have operations here, by botocore's names."""
