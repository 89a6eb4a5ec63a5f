"""Availability zones: three in every region."""

from __future__ import annotations

from roadstead.core.network.addresses import DEFAULT_ZONES

_DIRECTIONS = {
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "central": "c",
    "northeast": "ne",
    "northwest": "nw",
    "southeast": "se",
    "southwest": "sw",
}


def zone_names(region: str) -> tuple[str, ...]:
    """Names of a region's zones: `us-east-1a`, …"""
    return tuple(f"{region}{letter}" for letter in DEFAULT_ZONES)


def zone_id(region: str, letter: str) -> str:
    """The zone id in AWS's form: `use1-az1` for us-east-1a; the same letter is the same zone for everybody here."""
    parts = region.split("-")
    number = ord(letter) - ord("a") + 1
    if len(parts) < 3:
        return f"{region}-az{number}"
    area, direction, count = "".join(parts[:-2]), parts[-2], parts[-1]
    return f"{area}{_DIRECTIONS.get(direction, direction)}{count}-az{number}"
