"""What a request says of itself: the values of its condition keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Values = str | tuple[str, ...]
"""A single-valued key has a text, a multi-valued one a tuple."""


class RequestContext:
    """The condition keys of one request; names of keys don't mind the case, values do."""

    __slots__ = ("_values", "given")

    def __init__(self, values: Mapping[str, str | Sequence[str]] | None = None) -> None:
        self.given: Mapping[str, str | Sequence[str]] = values or {}
        self._values: dict[str, Values] = {
            key.lower(): value if isinstance(value, str) else tuple(value) for key, value in (values or {}).items()
        }

    def values(self, key: str) -> tuple[str, ...]:
        """The values of `key`, given in lower case; none when the request does not have it."""
        found = self._values.get(key)
        if found is None:
            return ()
        return (found,) if isinstance(found, str) else found

    def single(self, key: str) -> str | None:
        """The value of a single-valued key, given in lower case; None when it is absent or multi-valued."""
        found = self._values.get(key)
        return found if isinstance(found, str) else None
