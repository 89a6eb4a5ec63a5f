"""What says something is written, in every struct of the agent links: None and what is empty alone stay out."""

from __future__ import annotations

import msgspec
import pytest

from roadstead.wire import acs, task, tcs

KINDS = [
    kind
    for module in (acs, task, tcs)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_a_default_that_says_something_is_written(kind: type[msgspec.Struct]) -> None:
    fields = msgspec.structs.fields(kind)
    least = kind(**{each.name: "given" for each in fields if each.required})
    says_something = {each.encode_name for each in fields if getattr(least, each.name) not in (None, "", (), {})}
    members = msgspec.to_builtins(least)
    assert says_something <= members.keys()
    assert None not in members.values()
