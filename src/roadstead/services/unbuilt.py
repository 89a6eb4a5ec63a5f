"""Refusing by name what a request asks for and is not built."""

from __future__ import annotations

import json
from collections.abc import Mapping

from roadstead.kernel.errors import NotImplementedByRoadstead


def not_built(operation: str, what: str) -> NotImplementedByRoadstead:
    """The error for `what` in a request for `service:Operation`."""
    service, _, verb = operation.partition(":")
    return NotImplementedByRoadstead(f"{service}: {verb} with {what} is not implemented by Roadstead.")


def refuse_unbuilt(operation: str, request: Mapping[str, object], **plain: object) -> None:
    """Raise NotImplementedByRoadstead where a member is given and differs from its value in `plain`, which is what leaving it out means."""
    asked = [
        f"{name} {json.dumps(request[name])}"
        for name, value in plain.items()
        if request.get(name) is not None and request[name] != value
    ]
    if asked:
        raise not_built(operation, ", ".join(asked))
