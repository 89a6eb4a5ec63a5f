"""Names of regions."""

from __future__ import annotations

import re

_LONGEST = 32
"""What tables have room for."""
_NAME = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")


def is_region(text: str) -> bool:
    """Whether `text` has the form of a region's name (`us-east-1`, `us-gov-west-1`); any of that form is one here, up to 32 characters."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None
