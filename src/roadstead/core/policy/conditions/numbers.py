"""NumericEquals and the comparisons of numbers."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from decimal import Decimal

from roadstead.core.policy.conditions.operator import BadValue, Operator, Prepare, pair
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.variables import TextTest

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _comparison(compare: Callable[[Decimal, Decimal], bool]) -> Prepare:
    def prepare(value: str, variables: bool) -> TextTest:
        del variables
        expected = _number(value)
        if expected is None:
            raise BadValue("must be a number")

        def test(actual: str, context: RequestContext) -> bool:
            del context
            found = _number(actual)
            return found is not None and compare(found, expected)

        return test

    return prepare


OPERATORS: tuple[Operator, ...] = (
    *pair("NumericEquals", "NumericNotEquals", _comparison(operator.eq)),
    Operator("NumericLessThan", _comparison(operator.lt)),
    Operator("NumericLessThanEquals", _comparison(operator.le)),
    Operator("NumericGreaterThan", _comparison(operator.gt)),
    Operator("NumericGreaterThanEquals", _comparison(operator.ge)),
)
