"""What we write on containerd's records, so that an agent that starts anew knows what it finds."""

from __future__ import annotations

from collections.abc import Mapping

PREFIX = "roadstead/"
OWNER = f"{PREFIX}owner"
TASK = f"{PREFIX}task"
ISOLATION = f"{PREFIX}isolation"
ROLE = f"{PREFIX}role"
MEMORY_GROUP = f"{PREFIX}memory-group"
"""The control group, below the task's, whose kills for memory are this container's: its own, or its sandbox's, on whose kernel it runs."""

SANDBOX = "sandbox"
APPLICATION = "application"


def ours(owner: str, task_id: str, isolation: str, role: str, memory_group: str) -> dict[str, str]:
    """The labels of one container."""
    return {OWNER: owner, TASK: task_id, ISOLATION: isolation, ROLE: role, MEMORY_GROUP: memory_group}


def of_the_user(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that the caller gave."""
    return {name: value for name, value in labels.items() if not name.startswith(PREFIX)}
