from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.core.imagepolicy.evaluate import Image, Marked, evaluate
from roadstead.core.imagepolicy.rules import Action, CountType, Rule, StorageClass, TagStatus

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def image(digest: str, age: float, *tags: str, **more: object) -> Image:
    return Image(digest, tags, ago(age), **more)  # type: ignore[arg-type]


def tagged(priority: int, count: int, *prefixes: str, count_type: CountType = CountType.IMAGES) -> Rule:
    return Rule(priority, TagStatus.TAGGED, count_type, count, prefixes=prefixes)


def gone(rules: Sequence[Rule], images: Sequence[Image]) -> list[str]:
    return sorted(each.image.digest for each in evaluate(rules, images, NOW))


@pytest.mark.parametrize("days", [739_000, 1_000_000, 10**12, 10**30])
@pytest.mark.parametrize("count_type", list(CountType))
def test_an_age_beyond_the_calendar_is_nobodys(days: int, count_type: CountType) -> None:
    archived = count_type is CountType.TRANSITIONED
    storage = StorageClass.ARCHIVE if archived else StorageClass.STANDARD
    rule = Rule(1, TagStatus.ANY, count_type, days, storage=storage)
    assert gone([rule], [image("a", 10_000, storage=storage), image("b", 0, storage=storage)]) == []


# The examples of the user guide, "Examples of lifecycle policies", with its own images.


def test_example_image_age() -> None:
    images = [image("a", 15, "prod-1"), image("b", 13, "prod-2"), image("c", 20, "beta-1")]
    by_pattern = Rule(1, TagStatus.TAGGED, CountType.PUSHED, 14, patterns=("prod*",))
    assert gone([by_pattern], images) == ["a"]


def test_example_multiple_rules() -> None:
    images = [image("a", 10, "beta-1", "prod-1"), image("b", 9, "beta-2", "prod-2"), image("c", 8, "beta-3")]
    assert gone([tagged(1, 1, "prod"), tagged(2, 1, "beta")], images) == ["a"]
    images = [image("a", 10, "beta-1", "prod-1"), image("b", 9, "beta-2", "prod-2"), image("c", 8, "beta-3", "prod-3")]
    assert gone([tagged(1, 1, "prod"), tagged(2, 1, "beta")], images) == ["a", "b"]


def test_example_multiple_tags_in_a_rule() -> None:
    images = [image("a", 12, "alpha-1"), image("b", 11, "beta-1"), image("c", 10, "alpha-2", "beta-2")]
    images += [image("d", 9, "alpha-3", "beta-3"), image("e", 8, "beta-4", "alpha-4")]
    assert gone([tagged(1, 1, "alpha", "beta")], images) == ["c", "d"]


def test_example_all_images() -> None:
    images = [image("a", 4, "beta-1"), image("b", 3, "prod-1"), image("c", 2), image("d", 1, "alpha-1")]
    rules = [
        tagged(1, 1, "prod"),
        Rule(2, TagStatus.UNTAGGED, CountType.PUSHED, 1),
        Rule(3, TagStatus.ANY, CountType.IMAGES, 1),
    ]
    assert gone(rules, images) == ["a", "c"]


@pytest.mark.parametrize(
    ("pulled", "activated", "expired"),
    [
        (None, None, True),
        (ago(5), None, False),
        (ago(31), None, True),
        (ago(200), ago(10), False),
        (None, ago(40), True),
    ],
)
def test_an_image_counts_from_its_last_pull_or_from_when_it_came(
    pulled: datetime | None, activated: datetime | None, expired: bool
) -> None:
    old = image("a", 300, "v1", pulled_at=pulled, activated_at=activated)
    rule = Rule(1, TagStatus.ANY, CountType.PULLED, 30)
    assert gone([rule], [old]) == (["a"] if expired else [])


def test_archive_and_expire_from_there() -> None:
    images = [
        image("busy", 300, "v1", pulled_at=ago(1)),
        image("idle", 300, "v2", pulled_at=ago(100)),
        image("cold", 500, "v3", storage=StorageClass.ARCHIVE, archived_at=ago(100)),
        image("frozen", 900, "v4", storage=StorageClass.ARCHIVE, archived_at=ago(400)),
        image("thawing", 900, "v5", storage=None, archived_at=ago(400)),
    ]
    rules = [
        Rule(1, TagStatus.ANY, CountType.PULLED, 90, Action.TRANSITION),
        Rule(2, TagStatus.ANY, CountType.TRANSITIONED, 365, storage=StorageClass.ARCHIVE),
    ]
    found = {each.image.digest: (each.action, each.priority) for each in evaluate(rules, images, NOW)}
    assert found == {"idle": (Action.TRANSITION, 1), "frozen": (Action.EXPIRE, 2)}


def test_what_a_manifest_list_names_stays_for_as_long_as_the_list() -> None:
    images = [image("list", 50, "v1"), image("amd64", 50, listed=True), image("arm64", 50, listed=True)]
    assert gone([Rule(1, TagStatus.ANY, CountType.PUSHED, 10)], images) == ["list"]
    assert gone([Rule(1, TagStatus.UNTAGGED, CountType.PUSHED, 10)], images) == []


def test_signatures_share_the_fate_of_what_they_sign() -> None:
    images = [
        image("old", 50, "v1"),
        image("young", 5, "v2"),
        image("signature-of-old", 50, subject="old"),
        image("attestation-of-signature", 1, subject="signature-of-old"),
        image("signature-of-young", 50, subject="young"),
        image("signature-of-nothing", 50, subject="elsewhere"),
    ]
    rules = [tagged(1, 30, "v", count_type=CountType.PUSHED), Rule(2, TagStatus.UNTAGGED, CountType.PUSHED, 30)]
    assert gone(rules, images) == ["attestation-of-signature", "old", "signature-of-nothing", "signature-of-old"]


NAMES = st.sampled_from(["prod-1", "prod-2", "beta-1", "v1", "latest"])
AGES = st.integers(0, 400)
DIGESTS = st.sampled_from("abcdefgh")


@st.composite
def some_images(draw: st.DrawFn) -> list[Image]:
    digests = draw(st.lists(DIGESTS, unique=True))
    free = set(draw(st.sets(NAMES)))
    found: list[Image] = []
    for digest in digests:
        mine = draw(st.sets(st.sampled_from(sorted(free)))) if free else set[str]()
        free -= mine
        pushed = draw(AGES)
        storage = draw(st.sampled_from([StorageClass.STANDARD, StorageClass.STANDARD, StorageClass.ARCHIVE, None]))
        found.append(
            Image(
                digest,
                tuple(sorted(mine)),
                ago(pushed),
                pulled_at=draw(st.none() | st.integers(0, pushed).map(ago)),
                storage=storage,
                archived_at=None if storage is StorageClass.STANDARD else ago(draw(st.integers(0, pushed))),
                subject=draw(st.none() | DIGESTS.filter(lambda name, own=digest: name != own)),
                listed=draw(st.booleans()),
            )
        )
    return found


@st.composite
def some_rules(draw: st.DrawFn) -> list[Rule]:
    found: list[Rule] = []
    for priority in range(1, draw(st.integers(1, 4)) + 1):
        status = draw(st.sampled_from(list(TagStatus)))
        count_type = draw(st.sampled_from(list(CountType)))
        archived = count_type is CountType.TRANSITIONED
        found.append(
            Rule(
                priority,
                status,
                count_type,
                draw(st.integers(1, 5) if count_type is CountType.IMAGES else st.integers(1, 300)),
                Action.EXPIRE if archived else draw(st.sampled_from(list(Action))),
                StorageClass.ARCHIVE if archived else StorageClass.STANDARD,
                prefixes=(draw(st.sampled_from(["prod", "beta", "v"])),) if status is TagStatus.TAGGED else (),
            )
        )
    return found


@given(some_rules(), some_images())
def test_each_image_is_marked_once_and_what_a_list_names_never(rules: list[Rule], images: list[Image]) -> None:
    marked = evaluate(rules, images, NOW)
    assert len({each.image.digest for each in marked}) == len(marked)
    assert not any(each.image.listed for each in marked)
    assert {each.priority for each in marked} <= {rule.priority for rule in rules}


@given(some_rules(), some_images())
def test_the_order_of_images_and_rules_makes_no_difference(rules: list[Rule], images: list[Image]) -> None:
    def outcome(found: list[Marked]) -> set[tuple[str, Action, int]]:
        return {(each.image.digest, each.action, each.priority) for each in found}

    plain = [image for image in images if image.subject is None]
    assert outcome(evaluate(rules, plain, NOW)) == outcome(evaluate(rules[::-1], plain[::-1], NOW))


@given(some_rules(), some_images())
def test_a_count_rule_keeps_its_number(rules: list[Rule], images: list[Image]) -> None:
    first = rules[0]
    if first.count_type is not CountType.IMAGES:
        return
    about = [i for i in images if (i.tags or i.subject is None) and i.storage is first.storage and first.fits(i.tags)]
    marked = {each.image.digest for each in evaluate(rules[:1], [i for i in images if i.subject is None], NOW)}
    about = [i for i in about if i.subject is None]
    kept = [i for i in about if i.digest not in marked]
    assert len(kept) >= min(first.count, len(about))
    if marked:
        youngest_gone = max(i.born_at for i in about if i.digest in marked)
        assert sum(i.born_at >= youngest_gone for i in kept) >= first.count


@given(some_rules(), some_images())
def test_a_rule_further_down_changes_nothing_of_those_before(rules: list[Rule], images: list[Image]) -> None:
    plain = [image for image in images if image.subject is None]
    before = [(m.image.digest, m.priority) for m in evaluate(rules[:-1], plain, NOW)]
    after = [(m.image.digest, m.priority) for m in evaluate(rules, plain, NOW)]
    assert after[: len(before)] == before


@given(some_rules(), some_images(), st.integers(1, 100))
def test_with_time_an_age_rule_marks_more(rules: list[Rule], images: list[Image], days: int) -> None:
    aged = [rule for rule in rules if rule.count_type is not CountType.IMAGES][:1]
    then = NOW + timedelta(days=days)
    now = {each.image.digest for each in evaluate(aged, images, NOW)}
    later = {each.image.digest for each in evaluate(aged, images, then)}
    assert now <= later
