"""Names of regions."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")


def is_region(text: str) -> bool:
    """Whether `text` has the form of a region's name (`us-east-1`, `us-gov-west-1`); any of that form is one here."""
    return _NAME.fullmatch(text) is not None
