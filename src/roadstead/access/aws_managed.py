"""The managed policies that AWS gives every account, under their real ARNs (`arn:aws:iam::aws:policy/…`).

One file a policy in `managed/`, read when somebody asks for it. Source: the AWS Managed Policy Reference Guide,
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path

import msgspec

PREFIX = "arn:aws:iam::aws:policy"
_FOLDER = Path(__file__).parent / "managed"


class AwsManagedPolicy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One of AWS's managed policies; `path` begins and ends with a slash, `version` counts from 1 and is the only one kept."""

    name: str
    path: str = "/"
    description: str
    version: int
    created_at: datetime
    updated_at: datetime
    document: msgspec.Raw

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"{PREFIX}{self.path}{self.name}"

    @property
    def text(self) -> str:
        """Its document."""
        return bytes(self.document).decode()


@cache
def names() -> tuple[str, ...]:
    """The names of all of them, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


@cache
def aws_managed_policy(arn: str) -> AwsManagedPolicy | None:
    """The policy with exactly this ARN, its path included."""
    name = arn.rpartition("/")[2]
    if not arn.startswith(f"{PREFIX}/") or name not in names():
        return None
    found = _read(name)
    return found if found.arn == arn else None


@cache
def aws_managed_policies() -> tuple[AwsManagedPolicy, ...]:
    """All of them, in the order of their names."""
    return tuple(_read(name) for name in names())


@cache
def _read(name: str) -> AwsManagedPolicy:
    return msgspec.json.decode((_FOLDER / f"{name}.json").read_bytes(), type=AwsManagedPolicy)
