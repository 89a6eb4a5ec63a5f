"""One condition of a statement, ready to be asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from roadstead.core.policy.conditions.names import OperatorName, Quantifier, read_operator
from roadstead.core.policy.conditions.operator import BadValue, Operator
from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.elements import Condition
from roadstead.core.policy.variables import TextTest

Holds = Callable[[RequestContext], bool]


class UnknownOperator(ValueError):
    """There is no operator of this name."""


def compile_condition(condition: Condition, *, variables: bool) -> Holds:
    """A test whether a request's context meets `condition`. Raises UnknownOperator, BadValue or BadVariable.

    A key that the request does not have makes a condition false, but true for a negated operator, for IfExists, and for ForAllValues.
    """
    name = read_operator(condition.operator)
    if name is None:
        raise UnknownOperator(condition.operator)
    key = condition.key.lower()
    if name.operator is None:
        return _null(key, condition.values)
    tests = tuple(name.operator.prepare(value, variables) for value in condition.values)
    fits = _fits(name.operator, tests)
    match name.quantifier:
        case Quantifier.ALL:
            return partial(_all, key, fits)
        case Quantifier.ANY:
            return partial(_any, key, fits, name.if_exists)
        case Quantifier.NONE:
            return _plain(key, name, tests)


def _null(key: str, values: tuple[str, ...]) -> Holds:
    wanted = {value.lower() for value in values}
    if not wanted <= {"true", "false"}:
        raise BadValue("must be true or false")
    return lambda context: ("false" if context.values(key) else "true") in wanted


def _fits(operator: Operator, tests: tuple[TextTest, ...]) -> TextTest:
    if operator.negated:
        return lambda value, context: not any(test(value, context) for test in tests)
    return lambda value, context: any(test(value, context) for test in tests)


def _plain(key: str, name: OperatorName, tests: tuple[TextTest, ...]) -> Holds:
    negated = name.operator is not None and name.operator.negated
    absent = negated or name.if_exists

    def holds(context: RequestContext) -> bool:
        values = context.values(key)
        if not values:
            return absent
        for value in values:
            for test in tests:
                if test(value, context):
                    return not negated
        return negated

    return holds


def _all(key: str, fits: TextTest, context: RequestContext) -> bool:
    return all(fits(value, context) for value in _set(key, context))


def _any(key: str, fits: TextTest, absent: bool, context: RequestContext) -> bool:
    values = _set(key, context)
    return any(fits(value, context) for value in values) if values else absent


def _set(key: str, context: RequestContext) -> tuple[str, ...]:
    """The values of a key as a set: one of empty texts alone is an empty set."""
    values = context.values(key)
    return values if any(values) else ()
