"""The options of the awslogs driver that are carried out (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LogConfiguration.html)."""

from __future__ import annotations

import re
from collections.abc import Mapping

DRIVER = "awslogs"
MODE = "non-blocking"
"""A container never waits for its output to be taken: the oldest of it goes when the buffer is full. AWS's default since June 2025."""
_OPTIONS = frozenset(
    {
        "awslogs-create-group",
        "awslogs-group",
        "awslogs-region",
        "awslogs-stream",
        "awslogs-stream-prefix",
        "max-buffer-size",
        "mode",
    }
)
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?([kmgtp]?)i?b?", re.IGNORECASE | re.ASCII)
_UNITS = " kmgtp"


class InvalidBufferSize(ValueError):
    """`max-buffer-size` is no size."""


def unbuilt_options(options: Mapping[str, object]) -> list[str]:
    """What of a driver's options is not carried out: names, and `mode=blocking`."""
    names = sorted(options.keys() - _OPTIONS)
    mode = options.get("mode") or MODE
    return names if mode == MODE else [*names, f"mode={mode}"]


def buffer_size(options: Mapping[str, str]) -> int | None:
    """`max-buffer-size` in bytes, written as for Docker (`25m`); None without one. Raises InvalidBufferSize."""
    text = options.get("max-buffer-size")
    if text is None:
        return None
    match = _SIZE.fullmatch(text)
    if match is None or not (size := int(float(match[1]) * 1024 ** _UNITS.index(match[2].lower() or " "))):
        raise InvalidBufferSize(f"invalid size: '{text}'")
    return size
