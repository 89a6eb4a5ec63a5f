"""What a session is opened with: the policies that limit it and its tags, packed small enough for a header.

AWS packs them in a form of its own, with a limit of its own; here it is deflate, and the limit is chosen so that what AWS documents as
fitting fits. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import zlib

import msgspec

PACKED_LIMIT = 1024
"""Bytes that the packed form may have: 100 % of `PackedPolicySize`."""


class SessionLimits(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Inline session policies, the ARNs of managed ones, and session tags."""

    policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    tags: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.policies or self.policy_arns or self.tags)


NOTHING = SessionLimits()


def pack(limits: SessionLimits) -> bytes:
    """The packed form; empty where there is nothing to pack."""
    return zlib.compress(msgspec.json.encode(limits), 9) if limits else b""


def unpack(packed: bytes) -> SessionLimits:
    """The inverse of `pack`, of bytes that this deployment sealed."""
    return msgspec.json.decode(zlib.decompress(packed), type=SessionLimits) if packed else NOTHING


def packed_percent(limits: SessionLimits) -> int:
    """How much of the space is used, in percent and rounded up."""
    return -(-len(pack(limits)) * 100 // PACKED_LIMIT)
