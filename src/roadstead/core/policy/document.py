"""Reading a policy document (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import cast

from roadstead.core.policy.arn_pattern import PARTS, in_full, split_arn
from roadstead.core.policy.conditions.compiled import UnknownOperator, compile_condition
from roadstead.core.policy.conditions.operator import BadValue
from roadstead.core.policy.elements import (
    CURRENT_VERSION,
    FIRST_VERSION,
    Condition,
    Effect,
    MalformedPolicy,
    NamedPrincipal,
    PolicyDocument,
    PrincipalType,
    Statement,
)
from roadstead.core.policy.principals import readable_principal
from roadstead.core.policy.variables import BadVariable, parse_template, variables_of

__all__ = ["Effect", "MalformedPolicy", "PolicyDocument", "PolicyShape", "Statement", "context_keys", "parse_policy"]

MAX_CHARACTERS = 131_072
"""The longest document that the IAM API takes; each kind of policy has a quota far below it."""

_SYNTAX = "Syntax errors in policy."
_VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
_DOCUMENT_MEMBERS = {"Version", "Id", "Statement"}
_MEMBERS = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_SID = re.compile(r"[0-9A-Za-z]*")
_WILD = re.compile(r"[*?]")


class PolicyShape(StrEnum):
    """Which elements a policy has, by what it is attached to."""

    IDENTITY = "identity"
    """Users, groups, roles, boundaries, sessions, service control: resources and no principals."""
    TRUST = "trust"
    """A role's trust policy: principals and no resources."""
    RESOURCE = "resource"
    """Any other resource's policy: principals, and resources where the service wants them."""


def parse_policy(text: str, *, trust: bool = False, shape: PolicyShape | None = None) -> PolicyDocument:
    """Read a policy of a `shape`; `trust` is short for that shape. Raises MalformedPolicy.

    Time is in proportion to the length, which has a limit.
    """
    shape = shape or (PolicyShape.TRUST if trust else PolicyShape.IDENTITY)
    document = _object(_decode(text), "")
    _known(document, _DOCUMENT_MEMBERS, "")
    version = document.get("Version", FIRST_VERSION)
    if version not in (CURRENT_VERSION, FIRST_VERSION):
        raise MalformedPolicy("The policy must contain a valid version string", "Version")
    if not isinstance(document.get("Id", ""), str):
        raise MalformedPolicy(_SYNTAX, "Id")
    raw = document.get("Statement")
    if raw is None or raw == []:
        raise MalformedPolicy("Policy document should specify at least one statement.", "Statement")
    reader = _StatementReader(shape, variables=version == CURRENT_VERSION)
    places = _listed(raw, "Statement")
    return PolicyDocument(tuple(reader.read(_object(item, path), path) for item, path in places), str(version))


def context_keys(document: PolicyDocument) -> tuple[str, ...]:
    """The condition keys that a policy reads, in its conditions and variables, each once and as it is written first."""
    found: dict[str, str] = {}
    for statement in document.statements:
        for key in keys_of(statement, variables=document.has_variables):
            found.setdefault(key.lower(), key)
    return tuple(found.values())


def keys_of(statement: Statement, *, variables: bool) -> Iterator[str]:
    """The condition keys that a statement reads, as they are written."""
    texts = [*statement.resources, *statement.not_resources]
    for condition in statement.conditions:
        yield condition.key
        texts.extend(condition.values)
    if variables:
        for text in texts:
            yield from variables_of(text)


def _decode(text: str) -> object:
    if len(text) > MAX_CHARACTERS:
        raise MalformedPolicy(f"{_SYNTAX} The document has more than {MAX_CHARACTERS} characters")
    try:
        return cast("object", json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant))
    except json.JSONDecodeError as error:
        raise MalformedPolicy(f"{_SYNTAX} {error.msg}", f"line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise MalformedPolicy(f"{_SYNTAX} The document is nested too deeply") from error
    except MalformedPolicy:
        raise
    except ValueError as error:
        raise MalformedPolicy(f"{_SYNTAX} A number is too long") from error


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise MalformedPolicy(f"{_SYNTAX} Repeated member", next(n for n in names if names.count(n) > 1))
    return found


def _no_constant(name: str) -> object:
    raise MalformedPolicy(f"{_SYNTAX} {name} is no JSON")


def _object(value: object, path: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedPolicy(f"{_SYNTAX} An object is expected", path)
    return cast("dict[str, object]", value)


def _known(item: dict[str, object], members: set[str], path: str) -> None:
    unknown = next((name for name in item if name not in members), None)
    if unknown is not None:
        raise MalformedPolicy(f"{_SYNTAX} Unknown element", f"{path}.{unknown}" if path else unknown)


def _listed(value: object, path: str) -> Iterator[tuple[object, str]]:
    """The entries of a list, or one value that stands for a list of one, each with its path."""
    if isinstance(value, list):
        for index, entry in enumerate(cast("list[object]", value)):
            yield entry, f"{path}[{index}]"
    else:
        yield value, path


def _strings(item: dict[str, object], name: str, path: str) -> tuple[tuple[str, str], ...]:
    """The texts of an element that is a text or a list of them, each with its path."""
    if name not in item:
        return ()
    place = f"{path}.{name}"
    found = tuple((entry, at) for entry, at in _listed(item[name], place) if isinstance(entry, str) and entry)
    if not found or len(found) != len(tuple(_listed(item[name], place))):
        raise MalformedPolicy(f"{_SYNTAX} Texts are expected", place)
    return found


class _StatementReader:
    """Reads the statements of one document."""

    def __init__(self, shape: PolicyShape, *, variables: bool) -> None:
        self._shape = shape
        self._variables = variables
        self._sids: set[str] = set()

    def read(self, item: dict[str, object], path: str) -> Statement:
        _known(item, _MEMBERS, path)
        for name in ("Principal", "Action", "Resource"):
            if name in item and f"Not{name}" in item:
                raise MalformedPolicy(f"{_SYNTAX} {name} and Not{name} exclude each other", path)
        if item.get("Effect") not in (Effect.ALLOW, Effect.DENY):
            raise MalformedPolicy(f"{_SYNTAX} Effect must be Allow or Deny", f"{path}.Effect")
        self._check_shape(item, path)
        return Statement(
            effect=Effect(str(item["Effect"])),
            sid=self._sid(item, path),
            actions=self._actions(item, "Action", path),
            not_actions=self._actions(item, "NotAction", path),
            resources=self._resources(item, "Resource", path),
            not_resources=self._resources(item, "NotResource", path),
            principals=_principals(item, "Principal", path),
            not_principals=_principals(item, "NotPrincipal", path),
            conditions=tuple(self._conditions(item, path)),
        )

    def _check_shape(self, item: dict[str, object], path: str) -> None:
        names_principals = "Principal" in item or "NotPrincipal" in item
        names_resources = "Resource" in item or "NotResource" in item
        if "Action" not in item and "NotAction" not in item:
            raise MalformedPolicy("Policy statement must contain actions.", path)
        match self._shape:
            case PolicyShape.IDENTITY:
                if names_principals:
                    raise MalformedPolicy("Policy document should not specify a principal.", path)
                if not names_resources:
                    raise MalformedPolicy("Policy statement must contain resources.", path)
            case PolicyShape.TRUST:
                if "NotPrincipal" in item:
                    raise MalformedPolicy("Has prohibited field NotPrincipal", path)
                if names_resources:
                    raise MalformedPolicy("Has prohibited field Resource", path)
                if not names_principals:
                    raise MalformedPolicy("Missing required field Principal", path)
            case PolicyShape.RESOURCE:
                if not names_principals:
                    raise MalformedPolicy("Missing required field Principal", path)

    def _sid(self, item: dict[str, object], path: str) -> str:
        sid = item.get("Sid", "")
        if not isinstance(sid, str):
            raise MalformedPolicy(f"{_SYNTAX} A text is expected", f"{path}.Sid")
        if self._shape is not PolicyShape.RESOURCE and not _SID.fullmatch(sid):
            text = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
            raise MalformedPolicy(text, f"{path}.Sid")
        if sid and sid in self._sids:
            raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique.", f"{path}.Sid")
        self._sids.add(sid)
        return sid

    def _actions(self, item: dict[str, object], name: str, path: str) -> tuple[str, ...]:
        found = _strings(item, name, path)
        for action, at in found:
            vendor, _, operation = action.partition(":")
            if action in ("*", "*:*"):
                continue
            if not (vendor and operation):
                raise MalformedPolicy(_VENDOR, at)
            if _WILD.search(vendor):
                raise MalformedPolicy("Action vendors (e.g., aws, ec2, etc.) must not contain wildcards.", at)
            if ":" in operation:
                raise MalformedPolicy("Actions/Condition can contain only one colon.", at)
        return tuple(action for action, _ in found)

    def _resources(self, item: dict[str, object], name: str, path: str) -> tuple[str, ...]:
        found = _strings(item, name, path)
        for resource, at in found:
            self._check_resource(resource, at)
        return tuple(resource for resource, _ in found)

    def _check_resource(self, resource: str, at: str) -> None:
        if resource == "*":
            return
        parts = split_arn(in_full(resource))
        if len(parts) != PARTS or parts[0] != "arn":
            raise MalformedPolicy(f'Resource {resource[:200]} must be in ARN format or "*".', at)
        if not parts[2] or _WILD.search(parts[2]):
            raise MalformedPolicy("Resource vendor must be fully qualified and cannot contain regexes.", at)
        if self._variables and any("${" in part for part in parts[:-1]):
            raise MalformedPolicy(f"{_SYNTAX} A variable stands after the fifth colon only", at)
        try:
            parse_template(parts[-1], variables=self._variables, wildcards=True)
        except BadVariable as error:
            raise MalformedPolicy(f"{_SYNTAX} {error}", at) from error

    def _conditions(self, item: dict[str, object], path: str) -> Iterator[Condition]:
        if "Condition" not in item:
            return
        place = f"{path}.Condition"
        for operator, keys in _object(item["Condition"], place).items():
            for key, values in _object(keys, f"{place}.{operator}").items():
                at = f"{place}.{operator}.{key}"
                if ":" not in key:
                    raise MalformedPolicy(_VENDOR, at)
                condition = Condition(operator, key, tuple(_value(v, p) for v, p in _listed(values, at)))
                self._check_condition(condition, f"{place}.{operator}", at)
                yield condition

    def _check_condition(self, condition: Condition, operator_path: str, path: str) -> None:
        if not condition.values:
            raise MalformedPolicy(f"{_SYNTAX} Values are expected", path)
        try:
            compile_condition(condition, variables=self._variables)
        except UnknownOperator as error:
            raise MalformedPolicy(f"Invalid Condition type : {error}.", operator_path) from error
        except (BadValue, BadVariable) as error:
            raise MalformedPolicy(f"{_SYNTAX} The value {error}", path) from error


def _value(value: object, path: str) -> str:
    """A condition's value; numbers and booleans need no quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedPolicy(f"{_SYNTAX} A text, number or boolean is expected", path)


def _principals(item: dict[str, object], name: str, path: str) -> tuple[NamedPrincipal, ...]:
    if name not in item:
        return ()
    place = f"{path}.{name}"
    if item[name] == "*":
        return (NamedPrincipal(PrincipalType.AWS, "*"),)
    entries = _object(item[name], place)
    found: list[NamedPrincipal] = []
    for kind in entries:
        if kind not in tuple(PrincipalType):
            raise MalformedPolicy(f'Invalid principal in policy: "{kind}"', place)
        for text, at in _strings(entries, kind, place):
            principal = NamedPrincipal(PrincipalType(kind), text)
            if not readable_principal(principal):
                raise MalformedPolicy(f'Invalid principal in policy: "{kind}":"{text[:200]}"', at)
            found.append(principal)
    if not found:
        raise MalformedPolicy("Invalid principal in policy", place)
    return tuple(found)
