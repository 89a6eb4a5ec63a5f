"""Which images of a repository a lifecycle policy expires or archives now.

Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html, "Lifecycle policy evaluation rules".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from roadstead.core.imagepolicy.rules import Action, CountType, Rule, StorageClass


@dataclass(frozen=True, slots=True)
class Image:
    """An image as a policy sees it. `storage` is None while it is on its way back from the archive."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    pulled_at: datetime | None = None
    storage: StorageClass | None = StorageClass.STANDARD
    archived_at: datetime | None = None
    activated_at: datetime | None = None
    """When it last came back from the archive."""
    subject: str | None = None
    """The digest of the image that it refers to: it is a signature or attestation of that one."""
    listed: bool = False
    """Whether a manifest list of the repository names it: such an image stays for as long as the list."""

    @property
    def born_at(self) -> datetime:
        """When it was pushed, or came back from the archive."""
        return self.activated_at or self.pushed_at

    @property
    def used_at(self) -> datetime:
        """When it was pulled last; an image that nobody has pulled counts from when it came."""
        if self.pulled_at is None or self.pulled_at < self.born_at:
            return self.born_at
        return self.pulled_at


@dataclass(frozen=True, slots=True)
class Marked:
    """An image that a rule expires or archives."""

    image: Image
    action: Action
    priority: int
    """The rule's."""


def evaluate(rules: Sequence[Rule], images: Sequence[Image], now: datetime) -> list[Marked]:
    """What happens to which images, by the rules in the order of their priorities; the oldest of each rule first.

    Every rule looks at all images, as if no other rule had marked any. It marks none that fits the tags of a rule before it, none that is
    marked already, and none that a manifest list names. An untagged image that refers to another one shares the fate of that one.
    """
    present = {image.digest for image in images}
    judged = [image for image in images if image.tags or image.subject not in present]
    claimed: set[str] = set()
    marked: dict[str, Marked] = {}
    for rule in sorted(rules, key=lambda rule: rule.priority):
        about = [image for image in judged if image.storage is rule.storage and rule.fits(image.tags)]
        for image in _identified(rule, about, now):
            if image.digest not in claimed and not image.listed:
                marked[image.digest] = Marked(image, rule.action, rule.priority)
        claimed.update(image.digest for image in about)
    return [*marked.values(), *_followers(images, marked)]


def _identified(rule: Rule, about: Sequence[Image], now: datetime) -> list[Image]:
    """The images that the rule would mark if it were alone, oldest first."""
    if rule.count_type is CountType.IMAGES:
        youngest_first = sorted(about, key=lambda image: (image.born_at, image.digest), reverse=True)
        return youngest_first[rule.count :][::-1]
    before = _days_before(now, rule.count)
    old = [(moment, image.digest, image) for image in about if (moment := _counted_from(rule, image)) < before]
    return [image for _, _, image in sorted(old, key=lambda entry: entry[:2])]


def _days_before(now: datetime, days: int) -> datetime:
    """`days` before `now`; nothing is older than the calendar, which begins with year 1."""
    beginning = datetime.min.replace(tzinfo=now.tzinfo)
    return now - timedelta(days=min(days, (now - beginning).days))


def _counted_from(rule: Rule, image: Image) -> datetime:
    match rule.count_type:
        case CountType.PULLED:
            return image.used_at
        case CountType.TRANSITIONED:
            return image.archived_at or image.born_at
        case _:
            return image.born_at


def _followers(images: Sequence[Image], marked: Mapping[str, Marked]) -> list[Marked]:
    """The images that refer to a marked one, and those that refer to them, unless they are marked or archived themselves."""
    referring: dict[str, list[Image]] = {}
    for image in images:
        if image.subject is not None and image.digest not in marked:
            referring.setdefault(image.subject, []).append(image)
    found: dict[str, Marked] = {}
    fates = list(marked.values())
    while fates:
        fate = fates.pop()
        for image in referring.get(fate.image.digest, ()):
            there = fate.action is Action.TRANSITION and image.storage is not StorageClass.STANDARD
            if image.digest not in found and not image.listed and not there:
                found[image.digest] = Marked(image, fate.action, fate.priority)
                fates.append(found[image.digest])
    return list(found.values())
