"""StringEquals, StringLike and their kin."""

from __future__ import annotations

from roadstead.core.policy.conditions.operator import Operator, pair
from roadstead.core.policy.variables import TextTest, compile_text


def _equals(value: str, variables: bool) -> TextTest:
    return compile_text(value, variables=variables, wildcards=False)


def _equals_ignoring_case(value: str, variables: bool) -> TextTest:
    return compile_text(value, variables=variables, wildcards=False, fold=True)


def _like(value: str, variables: bool) -> TextTest:
    return compile_text(value, variables=variables, wildcards=True)


OPERATORS: tuple[Operator, ...] = (
    *pair("StringEquals", "StringNotEquals", _equals),
    *pair("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", _equals_ignoring_case),
    *pair("StringLike", "StringNotLike", _like),
)
