"""Policy documents as values (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CURRENT_VERSION = "2012-10-17"
FIRST_VERSION = "2008-10-17"
"""The version of the language that knows no variables, and what a document without a version is written in."""


class MalformedPolicy(ValueError):
    """The document does not follow the grammar; the text is worded as IAM words it and ends with the place.

    `path` names the place: `Statement[2].Condition.StringEqual`, or `line 3 column 7` where the text is no JSON.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{message} ({path})" if path else message)
        self.path = path


class Effect(StrEnum):
    """What a statement does."""

    ALLOW = "Allow"
    DENY = "Deny"


class PrincipalType(StrEnum):
    """The members of a `Principal` element that are understood here."""

    AWS = "AWS"
    SERVICE = "Service"
    FEDERATED = "Federated"


@dataclass(frozen=True, slots=True)
class NamedPrincipal:
    """One principal that a statement names; everybody is `AWS` with the name `*`."""

    type: PrincipalType
    name: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator, with the values to compare it with; all conditions of a statement must hold."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. An empty tuple means that the element is absent."""

    effect: Effect
    sid: str = ""
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    principals: tuple[NamedPrincipal, ...] = ()
    not_principals: tuple[NamedPrincipal, ...] = ()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """The statements of one policy."""

    statements: tuple[Statement, ...]
    version: str = CURRENT_VERSION

    @property
    def has_variables(self) -> bool:
        """Whether `${…}` is a variable in this document, not text."""
        return self.version == CURRENT_VERSION
