"""Filter patterns for unstructured log events: terms that must all be there, `?` any of, `-` none of, quotes for phrases.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html (JSON and space-delimited patterns are not read yet).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TERM = re.compile(r'\s*(?P<mark>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))')


class InvalidPattern(ValueError):
    """The pattern can't be read; the text says why."""


@dataclass(frozen=True, slots=True)
class TextPattern:
    """Case-sensitive terms; an empty pattern matches everything."""

    every: tuple[str, ...] = ()
    some: tuple[str, ...] = ()
    none: tuple[str, ...] = ()

    def matches(self, message: str) -> bool:
        """Whether an event's message fits."""
        if any(term in message for term in self.none):
            return False
        if not all(term in message for term in self.every):
            return False
        return not self.some or bool(self.every) or any(term in message for term in self.some)


def parse_pattern(text: str) -> TextPattern:
    """Read a pattern; raises InvalidPattern."""
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        raise InvalidPattern(
            "Invalid filter pattern: JSON and space-delimited patterns are not implemented by Roadstead."
        )
    if stripped[:1] == "%":
        raise InvalidPattern("Invalid filter pattern: regular expressions are not implemented by Roadstead.")
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    position = 0
    while position < len(stripped):
        found = _TERM.match(stripped, position)
        if found is None:
            raise InvalidPattern(f"Invalid character(s) in term '{stripped[position:]}'")
        phrase = found["phrase"]
        term = found["word"] if phrase is None else re.sub(r"\\(.)", r"\1", phrase)
        terms[found["mark"]].append(term)
        position = found.end()
    return TextPattern(every=tuple(terms[""]), some=tuple(terms["?"]), none=tuple(terms["-"]))
