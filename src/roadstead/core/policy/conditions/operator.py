"""What a condition operator is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roadstead.core.policy.variables import TextTest


class BadValue(ValueError):
    """A value in a policy that its operator can't compare with; the text says what was expected."""


Prepare = Callable[[str, bool], TextTest]
"""Makes a test from a policy's value and whether its document has variables; raises BadValue or BadVariable."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    `prepare` makes the test for one value of the policy. A negated operator holds where no value of the policy fits.
    """

    name: str
    prepare: Prepare
    negated: bool = False


def pair(name: str, opposite: str, prepare: Prepare) -> tuple[Operator, Operator]:
    """An operator and its negation."""
    return Operator(name, prepare), Operator(opposite, prepare, negated=True)
