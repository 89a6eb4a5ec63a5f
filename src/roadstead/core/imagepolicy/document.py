"""Reading a lifecycle policy, with the complaints of the JSON schema validator that ECR uses.

Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html and LifecyclePolicies.html, "How it works".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar, cast

from roadstead.core.imagepolicy.rules import Action, CountType, Rule, StorageClass, TagStatus

MAX_RULES = 50
LEAST_ARCHIVE_DAYS = 90
"""How long an image stays in the archive before a policy may expire it."""
MAX_PRIORITY = 2**31 - 1
"""The API tells priorities in integers of 32 bits; the guide bounds neither them nor `countNumber`."""
MAX_WILDCARDS = 4

_PATTERN = re.compile(r"[0-9A-Za-z._*-]{1,128}", re.ASCII)
_PREFIX = re.compile(r"[0-9A-Za-z._-]{1,128}", re.ASCII)
_NO_SCHEMA = "instance failed to match exactly one schema (matched 0 out of 2)"
_SELECTION = ("countType", "countNumber", "tagStatus")
_OPTIONAL = ("countUnit", "storageClass", "tagPatternList", "tagPrefixList")
_PRIMITIVES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    list: "array",
    dict: "object",
    bool: "boolean",
    float: "number",
}

Choice = TypeVar("Choice", bound=StrEnum)


class InvalidLifecyclePolicy(ValueError):
    """The text is no lifecycle policy, and says why."""


def parse_lifecycle_policy(text: str, *, max_rules: int = MAX_RULES) -> tuple[Rule, ...]:
    """The rules of a policy in the order of their priorities; raises InvalidLifecyclePolicy."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidLifecyclePolicy("Could not map policyString into LifecyclePolicy.") from error
    top = _object(document, ("rules",), ())
    given = cast("list[object]", _typed(top["rules"], list))
    if not given:
        raise InvalidLifecyclePolicy("array is too short: must have at least 1 elements but instance has 0 elements")
    if len(given) > max_rules:
        count = f"must have at most {max_rules} elements but instance has {len(given)} elements"
        raise InvalidLifecyclePolicy(f"array is too long: {count}")
    rules = sorted((_rule(entry) for entry in given), key=lambda rule: rule.priority)
    _check_together(rules)
    return tuple(rules)


def _rule(given: object) -> Rule:
    rule = _object(given, ("action", "rulePriority", "selection"), ("description",))
    _typed(rule.get("description", ""), str)
    selection = _object(rule["selection"], _SELECTION, _OPTIONAL)
    status = _choice(selection["tagStatus"], TagStatus)
    prefixes, patterns = _tags(selection, status)
    count_type = _count_type(selection)
    action = _action(rule["action"])
    storage = _storage(selection, count_type)
    least = LEAST_ARCHIVE_DAYS if count_type is CountType.TRANSITIONED else 1
    if action is Action.TRANSITION and storage is StorageClass.ARCHIVE:
        raise InvalidLifecyclePolicy("images with storageClass 'archive' can only be expired")
    return Rule(
        priority=_number(rule["rulePriority"], 1, MAX_PRIORITY),
        tag_status=status,
        count_type=count_type,
        count=_number(selection["countNumber"], least),
        action=action,
        storage=storage,
        prefixes=prefixes,
        patterns=patterns,
    )


def _tags(selection: Mapping[str, object], status: TagStatus) -> tuple[tuple[str, ...], tuple[str, ...]]:
    named = [name for name in ("tagPrefixList", "tagPatternList") if selection.get(name)]
    if status is not TagStatus.TAGGED:
        if "tagPrefixList" in selection or "tagPatternList" in selection:
            raise InvalidLifecyclePolicy(
                f"tagPrefixList and tagPatternList can't be specified when tagStatus is '{status}'"
            )
        return (), ()
    if len(named) != 1:
        problem = "only one of" if named else "one of"
        raise InvalidLifecyclePolicy(
            f"{problem} tagPrefixList and tagPatternList must be specified when tagStatus is 'tagged'"
        )
    prefixes = _texts(selection.get("tagPrefixList") or [], _PREFIX)
    patterns = _texts(selection.get("tagPatternList") or [], _PATTERN)
    for pattern in patterns:
        if pattern.count("*") > MAX_WILDCARDS:
            raise InvalidLifecyclePolicy(f"a tag pattern has at most {MAX_WILDCARDS} wildcards: {pattern}")
    return prefixes, patterns


def _count_type(selection: Mapping[str, object]) -> CountType:
    try:
        count_type = CountType(str(selection["countType"]))
    except ValueError as error:
        raise InvalidLifecyclePolicy(_NO_SCHEMA) from error
    if (count_type is CountType.IMAGES) is ("countUnit" in selection):
        raise InvalidLifecyclePolicy(_NO_SCHEMA)
    if "countUnit" in selection and selection["countUnit"] != "days":
        raise InvalidLifecyclePolicy(_not_in_enum(selection["countUnit"], ("days",)))
    return count_type


def _storage(selection: Mapping[str, object], count_type: CountType) -> StorageClass:
    storage = _choice(selection.get("storageClass", "standard"), StorageClass)
    archived = count_type is CountType.TRANSITIONED
    if archived is not (storage is StorageClass.ARCHIVE):
        needed = StorageClass.ARCHIVE if archived else StorageClass.STANDARD
        raise InvalidLifecyclePolicy(f"storageClass must be '{needed}' when countType is '{count_type}'")
    return storage


def _action(given: object) -> Action:
    action = _object(given, ("type",), ("targetStorageClass",))
    kind = _choice(action["type"], Action)
    if (kind is Action.TRANSITION) is not ("targetStorageClass" in action):
        raise InvalidLifecyclePolicy(_NO_SCHEMA)
    if "targetStorageClass" in action and action["targetStorageClass"] != "archive":
        raise InvalidLifecyclePolicy(_not_in_enum(action["targetStorageClass"], ("archive",)))
    return kind


def _check_together(rules: Sequence[Rule]) -> None:
    """What rules may not have in common, those of each storage class for themselves."""
    if len({rule.priority for rule in rules}) != len(rules):
        raise InvalidLifecyclePolicy("each rule must have a unique rulePriority")
    for storage in StorageClass:
        alike = [rule for rule in rules if rule.storage is storage]
        if any(rule.tag_status is TagStatus.ANY for rule in alike[:-1]):
            raise InvalidLifecyclePolicy("a rule with tagStatus 'any' must have the highest rulePriority")
        if sum(rule.tag_status is TagStatus.UNTAGGED for rule in alike) > 1:
            raise InvalidLifecyclePolicy("only one rule may have tagStatus 'untagged'")
        tagged = [rule for rule in alike if rule.tag_status is TagStatus.TAGGED]
        if len({(frozenset(rule.prefixes), frozenset(rule.patterns)) for rule in tagged}) != len(tagged):
            raise InvalidLifecyclePolicy("each rule must have a unique set of tag prefixes or tag patterns")


def _object(value: object, required: Sequence[str], optional: Sequence[str]) -> dict[str, object]:
    given = cast("dict[str, object]", _typed(value, dict))
    missing = sorted(name for name in required if name not in given)
    if missing:
        raise InvalidLifecyclePolicy(f"object has missing required properties ({_names(missing)})")
    unknown = sorted(name for name in given if name not in required and name not in optional)
    if unknown:
        raise InvalidLifecyclePolicy(
            f"object instance has properties which are not allowed by the schema: ({_names(unknown)})"
        )
    return given


def _typed(value: object, kind: type[object]) -> object:
    if type(value) is not kind:
        name = _PRIMITIVES.get(type(value), "null")
        raise InvalidLifecyclePolicy(
            f'instance type ({name}) does not match any allowed primitive type (allowed: ["{_PRIMITIVES[kind]}"])'
        )
    return value


def _number(value: object, least: int, most: int | None = None) -> int:
    number = cast("int", _typed(value, int))
    if number < least:
        raise InvalidLifecyclePolicy(
            f"numeric instance is lower than the required minimum (minimum: {least}, found: {number})"
        )
    if most is not None and number > most:
        raise InvalidLifecyclePolicy(
            f"numeric instance is greater than the required maximum (maximum: {most}, found: {number})"
        )
    return number


def _texts(value: object, form: re.Pattern[str]) -> tuple[str, ...]:
    texts = [cast("str", _typed(entry, str)) for entry in cast("list[object]", _typed(value, list))]
    for text in texts:
        if not form.fullmatch(text):
            raise InvalidLifecyclePolicy(f'ECMA 262 regex "{form.pattern}" does not match input string "{text[:200]}"')
    return tuple(texts)


def _choice(value: object, kind: type[Choice]) -> Choice:
    try:
        return kind(cast("str", _typed(value, str)))
    except ValueError as error:
        if isinstance(error, InvalidLifecyclePolicy):
            raise
        raise InvalidLifecyclePolicy(_not_in_enum(value, tuple(kind))) from error


def _not_in_enum(value: object, choices: Sequence[str]) -> str:
    return f"instance value ({json.dumps(value)}) not found in enum (possible values: {_names(sorted(choices))})"


def _names(names: Sequence[str]) -> str:
    return json.dumps(list(names), separators=(",", ":"))
