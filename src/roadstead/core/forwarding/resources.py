"""The ARNs that a request names, by AWS's templates (`arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ANY = ("*",)
_PLACE = re.compile(r"\$\{([A-Za-z0-9]+)\}")
_SUFFIXES = ("name", "arn", "url")
_NAMING = (*_SUFFIXES, "arns", "id", "ids", "identifier", "names", "resource")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A text among a request's parameters: the member or the kind of map key that holds it, and whether it is at the top."""

    name: str
    text: str
    top: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the named resources are, and where."""

    account: str
    region: str
    partition: str = "aws"


def named_arns(templates: Sequence[str], leaves: Iterable[Leaf], owner: Owner) -> tuple[str, ...]:
    """The resources that the parameters name, each once, in order; `*` where they name none.

    A parameter that is an ARN of one of the templates counts as it is. A name fills the template's place of the same name, whatever its case
    and with or without Name, Arn or Url at its end; a parameter `Name` fills the only place of a template. Of two templates that can be
    filled the one with more places counts.
    """
    given = list(leaves)
    patterns = [_pattern(template) for template in templates]
    found = [leaf.text for leaf in given if _names(leaf) and any(pattern.fullmatch(leaf.text) for pattern in patterns)]
    filled = [(_places(template), arns) for template in templates if (arns := _filled(template, given, owner))]
    for places, arns in filled:
        if not any(places < others for others, _ in filled):
            found.extend(arns)
    return tuple(dict.fromkeys(found)) or ANY


def _names(leaf: Leaf) -> bool:
    """Whether the parameter is there to name something: an ARN in somebody's data is data."""
    return leaf.name.lower().endswith(_NAMING)


def _filled(template: str, leaves: Sequence[Leaf], owner: Owner) -> list[str]:
    places = _places(template)
    values = {place: _values(place, leaves) for place in places}
    if len(places) == 1:
        (place,) = places
        values[place] = values[place] or [leaf.text for leaf in leaves if leaf.top and leaf.name.lower() == "name"]
        return [_fill(template, {place: value}, owner) for value in values[place]]
    if not places or not all(len(each) == 1 for each in values.values()):
        return []
    return [_fill(template, {place: each[0] for place, each in values.items()}, owner)]


def _values(place: str, leaves: Sequence[Leaf]) -> list[str]:
    wanted = _stem(place)
    found = [_name_in(leaf) for leaf in leaves if _stem(leaf.name) == wanted]
    return list(dict.fromkeys(name for name in found if name is not None))


def _name_in(leaf: Leaf) -> str | None:
    if leaf.text.startswith("arn:"):
        return None
    return leaf.text.rstrip("/").rpartition("/")[2] if "://" in leaf.text else leaf.text


def _fill(template: str, values: dict[str, str], owner: Owner) -> str:
    common = {"Partition": owner.partition, "Region": owner.region, "Account": owner.account}
    return _PLACE.sub(lambda place: {**common, **values}[place[1]], template)


def _places(template: str) -> frozenset[str]:
    return frozenset(_PLACE.findall(template)) - {"Partition", "Region", "Account"}


def _stem(name: str) -> str:
    low = name.lower()
    for suffix in _SUFFIXES:
        if low.endswith(suffix) and len(low) > len(suffix):
            return low.removesuffix(suffix)
    return low


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("[^:]*".join(re.escape(part) for part in _PLACE.split(template)[::2]))
