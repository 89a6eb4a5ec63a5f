"""The rules of a lifecycle policy (https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from roadstead.core.policy.glob import Test, compile_glob


class TagStatus(StrEnum):
    """Which images a rule is about, by their tags."""

    TAGGED = "tagged"
    UNTAGGED = "untagged"
    ANY = "any"


class StorageClass(StrEnum):
    """Where an image is."""

    STANDARD = "standard"
    ARCHIVE = "archive"


class CountType(StrEnum):
    """What a rule counts."""

    IMAGES = "imageCountMoreThan"
    PUSHED = "sinceImagePushed"
    PULLED = "sinceImagePulled"
    TRANSITIONED = "sinceImageTransitioned"


class Action(StrEnum):
    """What happens to the images that a rule marks."""

    EXPIRE = "expire"
    TRANSITION = "transition"
    """To the archive."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `count` is a number of images, or of days."""

    priority: int
    tag_status: TagStatus
    count_type: CountType
    count: int
    action: Action = Action.EXPIRE
    storage: StorageClass = StorageClass.STANDARD
    prefixes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    _tests: tuple[Test, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tests", tuple(compile_glob(pattern) for pattern in self.patterns))

    def fits(self, tags: Iterable[str]) -> bool:
        """Whether an image with these tags is one that the rule is about: each prefix or pattern has a tag that fits it."""
        names = tuple(tags)
        match self.tag_status:
            case TagStatus.ANY:
                return True
            case TagStatus.UNTAGGED:
                return not names
            case TagStatus.TAGGED:
                return all(any(name.startswith(prefix) for name in names) for prefix in self.prefixes) and all(
                    any(map(test, names)) for test in self._tests
                )
