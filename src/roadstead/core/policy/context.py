"""What a request says of itself: the values of its condition keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

Values = str | tuple[str, ...]
"""A single-valued key has a text, a multi-valued one a tuple."""
_Given = Mapping[str, str | Sequence[str]]


class Keys:
    """Condition keys with their values; names of keys don't mind the case, values do.

    Nothing is made of them before somebody asks for one: most decisions are made without.
    """

    def __init__(self, make: Callable[[], _Given]) -> None:
        self._make = make

    @cached_property
    def given(self) -> _Given:
        """The keys by their names as they were given."""
        return self._make()

    @cached_property
    def folded(self) -> Mapping[str, Values]:
        """The keys by their names in lower case."""
        return {name.lower(): value if isinstance(value, str) else tuple(value) for name, value in self.given.items()}


class RequestContext:
    """The condition keys of one request: layers, of which the first that has a key says its value.

    Other requests may share the layers; where none of them has a key, a resource's `own` are asked.
    """

    __slots__ = ("_layers", "_own")

    def __init__(self, values: _Given | None = None, layers: tuple[Keys, ...] = (), own: Keys | None = None) -> None:
        self._layers = layers if values is None else (Keys(lambda: values), *layers)
        self._own = own

    @property
    def asked(self) -> _Given:
        """The keys that are not a resource's own, by their names as they were given."""
        found: dict[str, str | Sequence[str]] = {}
        for layer in reversed(self._layers):
            found.update(layer.given)
        return found

    @property
    def given(self) -> _Given:
        """Every key with its value, by its name as it was given."""
        return {**(self._own.given if self._own is not None else {}), **self.asked}

    def values(self, key: str) -> tuple[str, ...]:
        """The values of `key`, given in lower case; none when the request does not have it."""
        found = self._find(key)
        if found is None:
            return ()
        return (found,) if isinstance(found, str) else found

    def single(self, key: str) -> str | None:
        """The value of a single-valued key, given in lower case; None when it is absent or multi-valued."""
        found = self._find(key)
        return found if isinstance(found, str) else None

    def _find(self, key: str) -> Values | None:
        for layer in self._layers:
            found = layer.folded.get(key)
            if found is not None:
                return found
        return self._own.folded.get(key) if self._own is not None else None
