"""The cluster query language, as `memberOf` constraints use it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cluster-query-language.html. Grammar: `subject operator argument`, joined by
`and`/`&&`, `or`/`||`, `not`/`!` and parentheses. Regular expressions are RE2's: matched in linear time, whatever callers write.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadstead.kernel.linear_regex import InvalidRegex, LinearRegex, compile_linear

if TYPE_CHECKING:
    from roadstead.core.placement.model import Candidate


class InvalidExpression(ValueError):
    """The text is no expression of the cluster query language."""


_TOKEN = re.compile(r"\s*(?:(?P<symbol>&&|\|\||==|!=|=~|!~|>=|<=|>|<|[()!,\[\]])|(?P<word>[^\s()!,\[\]=<>&|~]+))")
_ATTRIBUTE = "attribute:"
_INSTANCE_ID = "ec2instanceid"
_REGEX_OPERATORS = ("=~", "!~", "matches", "not_matches")
_LONGEST = 2000
"""Characters of an expression."""
_DEEPEST = 100
"""Parentheses and negations around a comparison."""
_LONGEST_REGEX = 128
_REGEX_MEMORY = 1024 * 1024

Test = Callable[["Candidate"], bool]


def matches(expression: str, candidate: Candidate) -> bool:
    """Whether the instance satisfies the expression; raises InvalidExpression."""
    return parse(expression)(candidate)


def parse(expression: str) -> Test:
    """The expression as a test; raises InvalidExpression."""
    if len(expression) > _LONGEST:
        raise InvalidExpression(f"an expression has at most {_LONGEST} characters")
    parser = _Parser(_tokens(expression))
    test = parser.either()
    if parser.peek() is not None:
        raise InvalidExpression(expression)
    return test


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        if found and found[-1].lower() in _REGEX_OPERATORS:
            regex = _regex_text(stripped[position:])
            found.append(regex.strip())
            position += len(regex)
            continue
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise InvalidExpression(text)
        found.append(match[match.lastgroup or 0])
        position = match.end()
    return found


def _regex_text(text: str) -> str:
    """What stands at the beginning of `text` up to a space, or to a parenthesis that it did not open itself."""
    depth, begun = 0, False
    for position, character in enumerate(text):
        if character.isspace():
            if begun:
                return text[:position]
            continue
        begun = True
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return text[:position]
    return text


@dataclass(slots=True)
class _Parser:
    tokens: list[str]
    position: int = 0
    depth: int = 0

    def peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise InvalidExpression("the expression ends too early")
        self.position += 1
        return token

    def accept(self, *tokens: str) -> bool:
        token = self.peek()
        if token is not None and token.lower() in tokens:
            self.position += 1
            return True
        return False

    def either(self) -> Test:
        parts = [self.both()]
        while self.accept("or", "||"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda candidate: any(part(candidate) for part in parts)

    def both(self) -> Test:
        parts = [self.single()]
        while self.accept("and", "&&"):
            parts.append(self.single())
        return parts[0] if len(parts) == 1 else lambda candidate: all(part(candidate) for part in parts)

    def single(self) -> Test:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise InvalidExpression("the expression is nested too deeply")
        test = self.nested()
        self.depth -= 1
        return test

    def nested(self) -> Test:
        if self.accept("not", "!"):
            inner = self.single()
            return lambda candidate: not inner(candidate)
        if self.accept("("):
            inner = self.either()
            if not self.accept(")"):
                raise InvalidExpression("a parenthesis is not closed")
            return inner
        return self.comparison()

    def comparison(self) -> Test:
        subject, operator = self.take(), self.take()
        if operator.lower() in ("!", "not"):
            operator = f"not_{self.take()}"
        operator = operator.lower()
        if operator == "exists" or operator == "not_exists":
            wanted = operator == "exists"
            name = subject.removeprefix(_ATTRIBUTE)
            return lambda candidate: (name in candidate.attributes) is wanted
        if not subject.startswith(_ATTRIBUTE) and subject.lower() != _INSTANCE_ID:
            raise InvalidExpression(f"unknown subject {subject}")
        if operator in ("in", "not_in", "!in"):
            values, wanted = self.argument_list(), operator == "in"
            return lambda candidate: (_subject(subject, candidate) in values) is wanted
        return _compare(subject, operator, self.take())

    def argument_list(self) -> frozenset[str]:
        if not self.accept("["):
            raise InvalidExpression("`in` needs a list")
        values = [self.take()]
        while self.accept(","):
            values.append(self.take())
        if not self.accept("]"):
            raise InvalidExpression("a list is not closed")
        return frozenset(values)


def _subject(name: str, candidate: Candidate) -> str | None:
    if name.startswith(_ATTRIBUTE):
        return candidate.attributes.get(name.removeprefix(_ATTRIBUTE))
    return candidate.ec2_instance_id


def _regex(text: str) -> LinearRegex:
    if len(text) > _LONGEST_REGEX:
        raise InvalidExpression(text)
    try:
        return compile_linear(text, memory=_REGEX_MEMORY)
    except InvalidRegex as error:
        raise InvalidExpression(text) from error


def _compare(subject: str, operator: str, argument: str) -> Test:
    if operator in ("==", "equals", "!=", "not_equals"):
        wanted = operator in ("==", "equals")
        return lambda candidate: (_subject(subject, candidate) == argument) is wanted
    if operator in _REGEX_OPERATORS:
        wanted = operator in ("=~", "matches")
        pattern = _regex(argument)
        return lambda candidate: (pattern.fullmatch(_subject(subject, candidate) or "") is not None) is wanted
    orders: dict[str, Callable[[float, float], bool]] = {
        ">": lambda a, b: a > b,
        "greater_than": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "greater_than_equal": lambda a, b: a >= b,
        "<": lambda a, b: a < b,
        "less_than": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        "less_than_equal": lambda a, b: a <= b,
    }
    if operator not in orders:
        raise InvalidExpression(f"unknown operator {operator}")
    order = orders[operator]

    def numeric(candidate: Candidate) -> bool:
        try:
            return order(float(_subject(subject, candidate) or ""), float(argument))
        except ValueError:
            return False

    return numeric
