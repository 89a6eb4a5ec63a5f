"""One thing that was looked at."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """A `problem` keeps Roadstead from its work; with a `warning` something works less well, or not at every size."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """`subject` was found to be as `detail` says; `advice` is what would make a warning or a problem go away."""

    subject: str
    verdict: Verdict
    detail: str
    advice: str = ""
