"""BinaryEquals: byte for byte; both the policy and the request's context hold base64."""

from __future__ import annotations

import binascii
from base64 import b64decode

from roadstead.core.policy.conditions.operator import BadValue, Operator
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.variables import TextTest


def _decoded(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _equals(value: str, variables: bool) -> TextTest:
    del variables
    expected = _decoded(value)
    if expected is None:
        raise BadValue("must be base64")

    def test(actual: str, context: RequestContext) -> bool:
        del context
        return _decoded(actual) == expected

    return test


OPERATORS: tuple[Operator, ...] = (Operator("BinaryEquals", _equals),)
