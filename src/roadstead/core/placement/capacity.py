"""Which capacity provider each of several tasks uses.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class StrategyItem:
    """A capacity provider, its weight, and how many tasks it gets before weights count."""

    provider: str
    weight: int
    base: int = 0


def distribute(items: Sequence[StrategyItem], count: int) -> list[str]:
    """The provider of each of `count` tasks: bases first, then as close to the weights as whole tasks allow.

    Empty when no item has a weight and the bases don't suffice.
    """
    chosen: list[str] = []
    for item in items:
        chosen.extend([item.provider] * min(item.base, count - len(chosen)))
    weighted = [item for item in items if item.weight > 0]
    given = dict.fromkeys((item.provider for item in weighted), 0)
    while weighted and len(chosen) < count:
        least = min(weighted, key=lambda item: Fraction(given[item.provider] + 1, item.weight))
        given[least.provider] += 1
        chosen.append(least.provider)
    return chosen if len(chosen) == count else []
