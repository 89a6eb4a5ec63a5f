"""Several policies of one resource as a single one: what any of them allows or denies, it does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from roadstead.core.policy.elements import CURRENT_VERSION


@lru_cache(maxsize=1024)
def merged_policy(texts: Sequence[str]) -> str:
    """The text of a policy with the statements of all of `texts`, which were accepted before.

    A `$` of a policy without variables (version 2008-10-17) stays what it is, and a repeated Sid is left out.
    """
    statements: list[dict[str, Any]] = []
    sids: set[str] = set()
    for text in texts:
        document = json.loads(text)
        raw: Any = document["Statement"]
        for given in cast("list[dict[str, Any]]", raw if isinstance(raw, list) else [raw]):
            statement = given if document.get("Version") == CURRENT_VERSION else _literal(given)
            if statement.get("Sid") in sids:
                statement = {name: value for name, value in statement.items() if name != "Sid"}
            sids.add(statement.get("Sid", ""))
            statements.append(statement)
    return json.dumps({"Version": CURRENT_VERSION, "Statement": statements})


def _literal(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("${", "${$}{")
    if isinstance(value, list):
        return [_literal(entry) for entry in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: _literal(entry) for name, entry in cast("dict[str, Any]", value).items()}
    return value
