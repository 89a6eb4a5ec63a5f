"""Prefixes of repository names, as creation templates and pull through cache rules have them.

A prefix is whole parts of a name: `team` is that of `team/web` and not of `teams/web`. `ROOT` is that of every name, when no other fits.
"""

from __future__ import annotations

from collections.abc import Sequence

ROOT = "ROOT"


def normal_prefix(prefix: str) -> str:
    """The prefix without the slash that is always thought at its end."""
    return prefix.rstrip("/")


def prefixes_of(name: str) -> Sequence[str]:
    """The prefixes that a repository name has, the longest first."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)] + [ROOT]


def rest_of(name: str, prefix: str) -> str:
    """What comes after a prefix in a name that has it."""
    return name if prefix == ROOT else name.removeprefix(f"{prefix}/")
