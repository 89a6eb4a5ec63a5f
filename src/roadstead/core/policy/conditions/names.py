"""Names of operators in full: `ForAllValues:StringLikeIfExists`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from roadstead.core.policy.conditions import addresses, arns, binary, booleans, dates, numbers, strings
from roadstead.core.policy.conditions.operator import Operator

NULL = "null"
_SUFFIX = "ifexists"
_OPERATORS = {
    operator.name.lower(): operator
    for family in (addresses, arns, binary, booleans, dates, numbers, strings)
    for operator in family.OPERATORS
}


class Quantifier(StrEnum):
    """How many of a request's values must fit."""

    NONE = ""
    ALL = "forallvalues"
    ANY = "foranyvalue"


@dataclass(frozen=True, slots=True)
class OperatorName:
    """A name taken apart; `operator` is None for `Null`."""

    quantifier: Quantifier
    operator: Operator | None
    if_exists: bool


def read_operator(name: str) -> OperatorName | None:
    """What `name` means, whatever its case; None when there is no such operator."""
    prefix, _, rest = name.lower().rpartition(":")
    if prefix not in tuple(Quantifier):
        return None
    quantifier = Quantifier(prefix)
    if rest == NULL:
        return OperatorName(quantifier, None, if_exists=False)
    operator = _OPERATORS.get(rest.removesuffix(_SUFFIX))
    return None if operator is None else OperatorName(quantifier, operator, rest.endswith(_SUFFIX))
