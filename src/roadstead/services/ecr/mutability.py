"""Whether a tag may be moved to another image (user guide: "Preventing image tags from being overwritten")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from roadstead.core.policy.glob import matches
from roadstead.services.ecr.errors import InvalidParameterException


class TagMutability(StrEnum):
    """The settings of a repository; the last two turn round for tags that match an exclusion filter."""

    MUTABLE = "MUTABLE"
    IMMUTABLE = "IMMUTABLE"
    IMMUTABLE_WITH_EXCLUSION = "IMMUTABLE_WITH_EXCLUSION"
    MUTABLE_WITH_EXCLUSION = "MUTABLE_WITH_EXCLUSION"


_WITH_EXCLUSION = {TagMutability.IMMUTABLE_WITH_EXCLUSION, TagMutability.MUTABLE_WITH_EXCLUSION}
_MOVABLE = {TagMutability.MUTABLE, TagMutability.MUTABLE_WITH_EXCLUSION}


class _Exclusion(msgspec.Struct, rename="camel"):
    filter_type: str
    filter: str


class _Requested(msgspec.Struct, rename="camel"):
    image_tag_mutability: TagMutability = TagMutability.MUTABLE
    image_tag_mutability_exclusion_filters: list[_Exclusion] = []


MAX_WILDCARDS = 2
"""The most `*` of an exclusion filter."""


@dataclass(frozen=True, slots=True)
class Mutability:
    """A setting and its exclusion filters, in which `*` stands for any characters."""

    setting: TagMutability
    exclusions: tuple[str, ...] = ()

    @classmethod
    def checked(cls, setting: TagMutability, exclusions: Sequence[str]) -> Mutability:
        """The pair, if its parts fit each other; raises InvalidParameterException."""
        parameter = "imageTagMutabilityExclusionFilters"
        if setting in _WITH_EXCLUSION and not exclusions:
            raise InvalidParameterException.at(
                parameter,
                f"ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as {setting}",
            )
        if setting not in _WITH_EXCLUSION and exclusions:
            raise InvalidParameterException.at(
                parameter,
                f"ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as {setting}",
            )
        for pattern in exclusions:
            if pattern.count("*") > MAX_WILDCARDS:
                raise InvalidParameterException.at(parameter, f"a filter has at most {MAX_WILDCARDS} wildcards")
        return cls(setting, tuple(exclusions))

    @classmethod
    def requested(cls, request: Mapping[str, object]) -> Mutability:
        """What `imageTagMutability` and its exclusion filters ask for; raises InvalidParameterException."""
        given = msgspec.convert(request, _Requested)
        exclusions = [exclusion.filter for exclusion in given.image_tag_mutability_exclusion_filters]
        return cls.checked(given.image_tag_mutability, exclusions)

    def describe(self) -> dict[str, object]:
        """The setting as the API prints it."""
        described: dict[str, object] = {"imageTagMutability": self.setting.value}
        if self.exclusions:
            described["imageTagMutabilityExclusionFilters"] = [
                {"filterType": "WILDCARD", "filter": pattern} for pattern in self.exclusions
            ]
        return described

    def may_move(self, tag: str) -> bool:
        """Whether `tag` may come to name another image than it does."""
        movable = self.setting in _MOVABLE
        if self.setting in _WITH_EXCLUSION and any(matches(pattern, tag) for pattern in self.exclusions):
            return not movable
        return movable
