"""Task sizes: how they are written, and which ones Fargate offers.

Follows "Task size" of https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html.
"""

from __future__ import annotations

import re

from roadstead.core.taskdef.errors import InvalidTaskDefinition, InvalidTaskParameter

_GIB = 1024

FARGATE_SIZES: dict[int, tuple[int, ...]] = {
    256: (512, 1 * _GIB, 2 * _GIB),
    512: tuple(gib * _GIB for gib in range(1, 5)),
    1024: tuple(gib * _GIB for gib in range(2, 9)),
    2048: tuple(gib * _GIB for gib in range(4, 17)),
    4096: tuple(gib * _GIB for gib in range(8, 31)),
    8192: tuple(gib * _GIB for gib in range(16, 61, 4)),
    16384: tuple(gib * _GIB for gib in range(32, 121, 8)),
}
"""CPU units to the MiB that go with them."""

_NUMBER = r"(\d{1,6}|\d{0,6}\.\d{1,6})"
"""With its unit always less than what 32 bits hold."""
_CPU = re.compile(_NUMBER + r"\s*(vcpus?)?", re.IGNORECASE)
_MEMORY = re.compile(_NUMBER + r"\s*(gi?b|mi?b)?", re.IGNORECASE)


def parse_cpu(text: str) -> int:
    """CPU units of `256`, `.25 vCPU`, `1 vcpu`; raises InvalidTaskParameter."""
    match = _CPU.fullmatch(text.strip())
    units = float(match[1]) * (1024 if match[2] else 1) if match else 0
    if units < 1 or units != int(units):
        raise InvalidTaskParameter("Invalid 'cpu' setting for task.")
    return int(units)


def parse_memory(text: str) -> int:
    """MiB of `512`, `1GB`, `0.5 gb`; raises InvalidTaskParameter."""
    match = _MEMORY.fullmatch(text.strip())
    mib = float(match[1]) * (_GIB if (match[2] or "").lower().startswith("g") else 1) if match else 0
    if mib < 1 or mib != int(mib):
        raise InvalidTaskParameter("Invalid 'memory' setting for task.")
    return int(mib)


def check_fargate_size(cpu: int | None, memory: int | None) -> None:
    """Raise InvalidTaskDefinition unless Fargate has this size (CPU units, MiB)."""
    if not cpu:
        raise InvalidTaskDefinition("Fargate requires that 'cpu' be defined at the task level.")
    if not memory:
        raise InvalidTaskDefinition("Fargate requires that 'memory' be defined at the task level.")
    if memory not in FARGATE_SIZES.get(cpu, ()):
        raise InvalidTaskDefinition(
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values."
        )
