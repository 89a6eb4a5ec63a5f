"""Texts with policy variables (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html).

`${key}` is the value of a single-valued condition key, `${key, 'default'}` has a default, and `${*}`, `${?}` and `${$}` are the three
characters themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from roadstead.core.policy.context import RequestContext
from roadstead.core.policy.glob import Token, compile_tokens, tokens

_VARIABLE = re.compile(r"\$\{(?:([*?$])|\s*([^\s{},'\"$*?]+(?: +[^\s{},'\"$*?]+)*)\s*(?:,\s*'([^']*)'\s*)?)\}")


class BadVariable(ValueError):
    """A `${` that begins no variable; the text says which."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A place for the value of a condition key, whose name is in lower case."""

    key: str
    default: str | None


Piece = Token | Variable
TextTest = Callable[[str, RequestContext], bool]
"""Whether a text fits, for a request with these condition keys."""


def parse_template(text: str, *, variables: bool, wildcards: bool) -> tuple[Piece, ...]:
    """The pieces of `text`; what a variable stands for is never a wildcard. Raises BadVariable."""
    if not variables:
        return tuple(_plain(text, wildcards))
    return tuple(_merged(_pieces(text, wildcards)))


def variables_of(text: str) -> Iterator[str]:
    """The names, as they are written, of the condition keys that `text` has variables for."""
    for found in _VARIABLE.finditer(text):
        if found[2]:
            yield found[2]


def compile_text(text: str, *, variables: bool, wildcards: bool, fold: bool = False) -> TextTest:
    """A test of texts against a template; `fold` ignores the case. A variable without a value fits nothing. Raises BadVariable."""
    pieces = parse_template(text, variables=variables, wildcards=wildcards)
    fixed = [piece for piece in pieces if not isinstance(piece, Variable)]
    if len(fixed) == len(pieces):
        test = compile_tokens(_folded(fixed) if fold else fixed)
        return (lambda value, _: test(value.lower())) if fold else (lambda value, _: test(value))
    return _variable_test(pieces, fold)


def _variable_test(pieces: tuple[Piece, ...], fold: bool) -> TextTest:
    start = pieces[0] if isinstance(pieces[0], str) else ""
    if fold:
        start = start.lower()

    def test(value: str, context: RequestContext) -> bool:
        subject = value.lower() if fold else value
        if not subject.startswith(start):
            return False
        resolved = _resolve(pieces, context)
        if resolved is None:
            return False
        return compile_tokens(_folded(resolved) if fold else resolved)(subject)

    return test


def _resolve(pieces: Sequence[Piece], context: RequestContext) -> list[Token] | None:
    found: list[Token] = []
    for piece in pieces:
        if isinstance(piece, Variable):
            value = context.single(piece.key)
            value = piece.default if value is None else value
            if value is None:
                return None
            found.append(value)
        else:
            found.append(piece)
    return found


def _folded(pieces: Sequence[Token]) -> list[Token]:
    return [piece.lower() if isinstance(piece, str) else piece for piece in pieces]


def _plain(text: str, wildcards: bool) -> Iterator[Token]:
    if wildcards:
        yield from tokens(text)
    elif text:
        yield text


def _pieces(text: str, wildcards: bool) -> Iterator[Piece]:
    at = 0
    while (start := text.find("${", at)) >= 0:
        yield from _plain(text[at:start], wildcards)
        found = _VARIABLE.match(text, start)
        if found is None:
            raise BadVariable(f"'{text[start : start + 40]}' is not a policy variable")
        yield found[1] or Variable(found[2].lower(), found[3])
        at = found.end()
    yield from _plain(text[at:], wildcards)


def _merged(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Neighbouring texts as one, so that `a${*}b` is one comparison."""
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
            continue
        if text:
            yield text
            text = ""
        yield piece
    if text:
        yield text
