from __future__ import annotations

import json
from typing import Any

import pytest

from roadstead.core.imagepolicy.document import InvalidLifecyclePolicy, parse_lifecycle_policy
from roadstead.core.imagepolicy.rules import Action, CountType, Rule, StorageClass, TagStatus


def rule(priority: object = 1, *, action: object = None, **selection: object) -> dict[str, Any]:
    chosen = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10, **selection}
    return {
        "rulePriority": priority,
        "selection": {name: value for name, value in chosen.items() if value is not None},
        "action": action or {"type": "expire"},
    }


TO_ARCHIVE = {"type": "transition", "targetStorageClass": "archive"}


def text(*rules: object) -> str:
    return json.dumps({"rules": list(rules)})


def days(count_type: str, number: object = 30, **more: object) -> dict[str, object]:
    return {"countType": count_type, "countUnit": "days", "countNumber": number, **more}


def test_every_kind_of_rule() -> None:
    parsed = parse_lifecycle_policy(
        text(
            rule(30, **days("sinceImagePulled"), action=TO_ARCHIVE),
            {**rule(1, tagStatus="tagged", tagPrefixList=["prod", "v1."]), "description": "keep"},
            rule(2, tagStatus="tagged", tagPatternList=["*-rc*"], **days("sinceImagePushed", 1)),
            rule(3, tagStatus="untagged"),
            rule(40, **days("sinceImageTransitioned", 90, storageClass="archive")),
        )
    )
    assert parsed == (
        Rule(1, TagStatus.TAGGED, CountType.IMAGES, 10, prefixes=("prod", "v1.")),
        Rule(2, TagStatus.TAGGED, CountType.PUSHED, 1, patterns=("*-rc*",)),
        Rule(3, TagStatus.UNTAGGED, CountType.IMAGES, 10),
        Rule(30, TagStatus.ANY, CountType.PULLED, 30, Action.TRANSITION),
        Rule(40, TagStatus.ANY, CountType.TRANSITIONED, 90, storage=StorageClass.ARCHIVE),
    )


NO_SCHEMA = "instance failed to match exactly one schema (matched 0 out of 2)"


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ("{", "Could not map policyString into LifecyclePolicy."),
        ("[" * 3000, "Could not map policyString into LifecyclePolicy."),
        ("[]", 'instance type (array) does not match any allowed primitive type (allowed: ["object"])'),
        ("{}", 'object has missing required properties (["rules"])'),
        ('{"rules":[],"x":1}', 'object instance has properties which are not allowed by the schema: (["x"])'),
        (text(), "array is too short: must have at least 1 elements but instance has 0 elements"),
        (
            text(*map(rule, range(1, 52))),
            "array is too long: must have at most 50 elements but instance has 51 elements",
        ),
        (text({"rulePriority": 1}), 'object has missing required properties (["action","selection"])'),
        (text(rule(0)), "numeric instance is lower than the required minimum (minimum: 1, found: 0)"),
        (
            text(rule(2**31)),
            "numeric instance is greater than the required maximum (maximum: 2147483647, found: 2147483648)",
        ),
        (text(rule(True)), 'instance type (boolean) does not match any allowed primitive type (allowed: ["integer"])'),
        (text(rule("1")), 'instance type (string) does not match any allowed primitive type (allowed: ["integer"])'),
        (text(rule(countNumber=0)), "numeric instance is lower than the required minimum (minimum: 1, found: 0)"),
        (
            text(rule(action={"type": "delete"})),
            'instance value ("delete") not found in enum (possible values: ["expire","transition"])',
        ),
        (
            text(rule(tagStatus="some")),
            'instance value ("some") not found in enum (possible values: ["any","tagged","untagged"])',
        ),
        (
            text(rule(countType="sinceImagePushed", countUnit="hours")),
            'instance value ("hours") not found in enum (possible values: ["days"])',
        ),
        (text(rule(countType="other")), NO_SCHEMA),
        (text(rule(countUnit="days")), NO_SCHEMA),
        (text(rule(countType="sinceImagePushed")), NO_SCHEMA),
        (text(rule(action={"type": "transition"})), NO_SCHEMA),
        (text(rule(action={"type": "expire", "targetStorageClass": "archive"})), NO_SCHEMA),
        (text(rule(1), rule(1, tagStatus="untagged")), "each rule must have a unique rulePriority"),
        (
            text(rule(1), rule(2, tagStatus="untagged")),
            "a rule with tagStatus 'any' must have the highest rulePriority",
        ),
        (
            text(rule(1, tagStatus="untagged"), rule(2, tagStatus="untagged", countNumber=3)),
            "only one rule may have tagStatus 'untagged'",
        ),
        (
            text(
                rule(1, tagStatus="tagged", tagPrefixList=["a", "b"]),
                rule(2, tagStatus="tagged", tagPrefixList=["b", "a"]),
            ),
            "each rule must have a unique set of tag prefixes or tag patterns",
        ),
        (text(rule(tagStatus="tagged")), "one of tagPrefixList and tagPatternList must be specified"),
        (text(rule(tagStatus="tagged", tagPrefixList=[])), "one of tagPrefixList and tagPatternList must be specified"),
        (text(rule(tagPrefixList=["a"])), "tagPrefixList and tagPatternList can't be specified"),
        (
            text(rule(tagStatus="tagged", tagPrefixList=["a"], tagPatternList=["b"])),
            "only one of tagPrefixList and tagPatternList",
        ),
        (text(rule(tagStatus="tagged", tagPatternList=["*1*2*3*4*5"])), "a tag pattern has at most 4 wildcards"),
        (text(rule(tagStatus="tagged", tagPatternList=["a b"])), "ECMA 262 regex"),
        (text(rule(**days("sinceImageTransitioned", 90))), "storageClass must be 'archive'"),
        (text(rule(storageClass="archive")), "storageClass must be 'standard'"),
        (
            text(rule(**days("sinceImageTransitioned", 89, storageClass="archive"))),
            "numeric instance is lower than the required minimum (minimum: 90, found: 89)",
        ),
        (
            text(rule(**days("sinceImageTransitioned", 90, storageClass="archive"), action=TO_ARCHIVE)),
            "images with storageClass 'archive' can only be expired",
        ),
    ],
)
def test_what_is_no_policy(policy: str, complaint: str) -> None:
    with pytest.raises(InvalidLifecyclePolicy) as refused:
        parse_lifecycle_policy(policy)
    assert str(refused.value).startswith(complaint)


def test_each_storage_class_has_rules_of_its_own() -> None:
    archive = days("sinceImageTransitioned", 100, storageClass="archive")
    assert len(parse_lifecycle_policy(text(rule(1), rule(2, **archive)))) == 2
