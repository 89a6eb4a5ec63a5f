"""Digests (https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

Algorithm = Literal["sha256", "sha512"]

_FORM = re.compile(r"(sha256):([a-f0-9]{64})|(sha512):([a-f0-9]{128})")


class InvalidDigest(ValueError):
    """The text is not a sha256 or sha512 digest."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A checked digest: safe in a path."""

    algorithm: Algorithm
    hex: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `sha256:…` or `sha512:…`; raises InvalidDigest."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise InvalidDigest(text)
        algorithm, encoded = (group for group in match.groups() if group is not None)
        return cls(cast("Algorithm", algorithm), encoded)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
