r"""The models' patterns as RE2 expressions: matched in linear time, whatever the client sends.

The patterns are Java's, where a match is of the whole text and \w, \d, \s are ASCII, as they are in RE2. What RE2
writes differently is translated; what it can't say is rewritten by hand or, with a reason, not enforced.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from roadstead.kernel.linear_regex import LinearRegex, compile_linear


class Rewritten(NamedTuple):
    """What a pattern with look-ahead says: a text that matches `allowed` and not `forbidden`."""

    allowed: str
    forbidden: str | None = None


_HOST_LABEL = r"([a-zA-Z0-9_][a-zA-Z0-9-_]{0,61}[a-zA-Z0-9_]|[a-zA-Z0-9])"
_CONTROL_OR_SEPARATOR = r"[\u0000-\u001f\u007f-\u009f:/|]"

REWRITTEN = MappingProxyType(
    {
        # ssm InstancePropertyFilterValue: the model bounds the length too, and so much repetition takes RE2 half a minute
        r"^.{1,100000}$": Rewritten(r".+"),
        # iam accountAliasType
        r"^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$": Rewritten(r"[a-z0-9](-?[a-z0-9])*"),
        # application-autoscaling ScheduledActionName
        r"(?!((^[ ]+.*)|(.*([\u0000-\u001f]|[\u007f-\u009f]|[:/|])+.*)|(.*[ ]+$))).+": Rewritten(
            r".+", rf" .*|.*{_CONTROL_OR_SEPARATOR}.*|.* "
        ),
        # ec2 SecretArn: 20 to 2048 characters, which no real ARN of a secret misses
        r"^(?=.{20,2048}$)arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[a-zA-Z0-9/_+=.@-]+": Rewritten(
            r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[a-zA-Z0-9/_+=.@-]+"
        ),
        # events PathParameter
        r"^(?!\s*$).+": Rewritten(r".+", r"\s*"),
        # inspector2 TagKey
        r"(?!aws:)[a-zA-Z+-=._:/]+": Rewritten(r"[a-zA-Z+-=._:/]+", r"aws:.*"),
        # scheduler Source
        r"(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)": Rewritten(
            r"[/\.\-_A-Za-z0-9].*|\$(\.[\w_-]+(\[(\d+|\*)\])*)*", r"aws\..*"
        ),
        # servicediscovery NamespaceNameHttp, NamespaceNamePrivate, ServiceName (at most 127 characters beside it)
        r"^(?!arn:)[!-~]{1,1024}$": Rewritten(r"[!-~]{1,1024}", r"arn:.*"),
        r"^(?!arn:)[!-~]{1,253}$": Rewritten(r"[!-~]{1,253}", r"arn:.*"),
        rf"((?=^.{{1,127}}$)^{_HOST_LABEL}(\.{_HOST_LABEL})*$)|(^\.$)": Rewritten(
            rf"{_HOST_LABEL}(\.{_HOST_LABEL})*|\."
        ),
    }
)
"""Patterns with look-ahead, which RE2 has not, or too much for it, said in another way."""

UNENFORCED = MappingProxyType(
    {
        r"^arn:[a-z0-9\\-]+:vpc-lattice:[a-zA-Z0-9\\-]+:\\d{12}:servicenetworkresourceassociation/snra-[0-9a-z]{17}$": (
            "ec2: its backslashes are doubled in the model, so that no real ARN matches"
        ),
        r"^([\-]?\d{4}(?!\d{2}\b))((-?)((0[1-9]|1[0-2])(\3([12]\d|0[1-9]|3[01]))?|W([0-4]\d|5[0-2])(-?[1-7])?|(00[1-9]|0[1-9]\d|[12]\d{2}|3([0-5]\d|6[1-6])))([T\s]((([01]\d|2[0-3])((:?)[0-5]\d)?|24\:?00)([\.,]\d(?!:))?)?(\17[0-5]\d([\.,]\d)?)?([zZ]|([\-])([01]\d|2[0-3]):?([0-5]\d)?)?)?)?$": (  # noqa: E501
            "ssm: it needs back-references, which are not regular; the operation reads the date"
        ),
    }
)
"""Patterns that are not enforced, with the reason."""

_CLASSES = MappingProxyType({"Print": "[:print:]", "Graph": "[:graph:]", "Alnum": "[:alnum:]", "Punct": "[:punct:]"})
_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"
_JAVA_CLASS = re.compile(r"\\p\{(Print|Graph|Alnum|Punct)\}")
_UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_CLASS_THEN_HYPHEN = re.compile(r"(\\[wds])-(?=[^\]])")
_REPEAT = re.compile(r"(\[(?:\\.|[^\]\\])+\]|\\.|\.)\{(\d+),(\d+)\}")
_MOST_REPEATS = 1000
_MEMORY = 32 * 1024 * 1024


@cache
def matcher(pattern: str) -> Callable[[str], bool] | None:
    """A function that says whether all of a text matches, or None where the pattern is not enforced.

    Raises InvalidRegex for a pattern that RE2 can't compile and nothing above speaks of.
    """
    if pattern in UNENFORCED:
        return None
    rewritten = REWRITTEN.get(pattern, Rewritten(pattern))
    allowed = _compile(rewritten.allowed)
    if rewritten.forbidden is None:
        return lambda text: allowed.fullmatch(text) is not None
    forbidden = _compile(f"(?s:{rewritten.forbidden})")
    return lambda text: allowed.fullmatch(text) is not None and forbidden.fullmatch(text) is None


def _compile(pattern: str) -> LinearRegex:
    return compile_linear(translate(pattern), memory=_MEMORY)


def translate(pattern: str) -> str:
    """A Java pattern in RE2's syntax."""
    text = pattern.replace(_SURROGATES, r"\x{10000}-\x{10FFFF}")
    text = _UNICODE_ESCAPE.sub(lambda found: rf"\x{{{found.group(1)}}}", text)
    text = _JAVA_CLASS.sub(lambda found: _posix(text, found), text)
    text = _CLASS_THEN_HYPHEN.sub(r"\1\\-", text)
    return _REPEAT.sub(_split_repeat, text)


def _posix(text: str, found: re.Match[str]) -> str:
    name = _CLASSES[found.group(1)]
    opened = text.count("[", 0, found.start()) - text.count("]", 0, found.start())
    return name if opened > 0 else f"[{name}]"


def _split_repeat(found: re.Match[str]) -> str:
    """RE2 repeats at most 1000 times: x{1,2000} becomes x{1,1000}x{0,1000}."""
    what, low, high = found.group(1), int(found.group(2)), int(found.group(3))
    if high <= _MOST_REPEATS:
        return found.group()
    parts: list[str] = []
    while high > 0:
        step = min(high, _MOST_REPEATS)
        parts.append(f"{what}{{{min(low, step)},{step}}}")
        low, high = low - min(low, step), high - step
    return f"(?:{''.join(parts)})"
