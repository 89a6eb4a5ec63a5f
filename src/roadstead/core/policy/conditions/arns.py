"""ArnEquals and ArnLike, which behave alike."""

from __future__ import annotations

from roadstead.core.policy.arn_pattern import compile_arn
from roadstead.core.policy.conditions.operator import Operator, pair
from roadstead.core.policy.variables import TextTest


def _fits(value: str, variables: bool) -> TextTest:
    return compile_arn(value, variables=variables)


OPERATORS: tuple[Operator, ...] = (
    *pair("ArnEquals", "ArnNotEquals", _fits),
    *pair("ArnLike", "ArnNotLike", _fits),
)
