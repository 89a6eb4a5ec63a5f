"""Bool."""

from __future__ import annotations

from roadstead.core.policy.conditions.operator import BadValue, Operator
from roadstead.core.policy.variables import TextTest, compile_text, variables_of


def _is(value: str, variables: bool) -> TextTest:
    if value.lower() not in ("true", "false") and not (variables and any(variables_of(value))):
        raise BadValue("must be true or false")
    return compile_text(value, variables=variables, wildcards=False, fold=True)


OPERATORS: tuple[Operator, ...] = (Operator("Bool", _is),)
