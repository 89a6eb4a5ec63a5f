"""Regular expressions that others wrote: RE2 matches them in time linear in the text, within a bounded memory."""

from __future__ import annotations

from typing import Protocol, cast

import re2  # pyright: ignore[reportMissingTypeStubs]


class InvalidRegex(ValueError):
    """RE2 can't compile it: it is malformed, not regular, or needs more memory than it may have."""


class LinearRegex(Protocol):
    """A compiled expression."""

    def fullmatch(self, text: str) -> object | None:
        """Something where all of the text matches, or None."""
        ...


def compile_linear(text: str, *, memory: int) -> LinearRegex:
    """An expression in RE2's syntax, which may use `memory` bytes; raises InvalidRegex."""
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    except re2.error as error:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        raise InvalidRegex(f"{text}: {error}") from error
    return cast("LinearRegex", compiled)
