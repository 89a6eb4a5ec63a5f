"""Patterns of ARNs: each of the six parts between colons is compared separately.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html and the ARN operators of
reference_policies_elements_condition_operators.html.
"""

from __future__ import annotations

from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.glob import Test, compile_glob
from roadstead.core.policy.variables import TextTest, compile_text

PARTS = 6


def split_arn(text: str) -> list[str]:
    """The parts of an ARN; other than six when it is none. The last may hold colons."""
    return text.split(":", PARTS - 1)


def in_full(resource: str) -> str:
    """A resource's pattern with all six parts: an `*` that ends it early (`arn:aws:logs:*`) stands for the parts that are left out."""
    parts = split_arn(resource)
    short = 3 < len(parts) < PARTS and parts[-1].endswith("*")
    return ":".join(parts + ["*"] * (PARTS - len(parts))) if short else resource


def compile_arn(pattern: str, *, variables: bool) -> TextTest:
    """A test of ARNs against `pattern`; variables may stand in its last part only. Raises BadVariable."""
    parts = split_arn(pattern)
    if len(parts) != PARTS:
        return _nothing
    last = compile_text(parts[-1], variables=variables, wildcards=True)
    head = parts[:-1]
    fixed = next((at for at, part in enumerate(head) if "*" in part or "?" in part), len(head))
    start = "".join(f"{part}:" for part in head[:fixed])
    if fixed == len(head):
        return _after_literal(start, last)
    return _by_part(
        start, [(at, compile_glob(part)) for at, part in enumerate(head) if at >= fixed and part != "*"], last
    )


def _after_literal(start: str, last: TextTest) -> TextTest:
    length = len(start)
    return lambda value, context: value.startswith(start) and last(value[length:], context)


def _by_part(start: str, tests: list[tuple[int, Test]], last: TextTest) -> TextTest:
    def test(value: str, context: RequestContext) -> bool:
        if not value.startswith(start):
            return False
        parts = split_arn(value)
        if len(parts) != PARTS:
            return False
        for at, part in tests:
            if not part(parts[at]):
                return False
        return last(parts[-1], context)

    return test


def _nothing(value: str, context: RequestContext) -> bool:
    del value, context
    return False
