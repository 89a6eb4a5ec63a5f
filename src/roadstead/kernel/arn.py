"""Amazon Resource Names (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html)."""

from __future__ import annotations

import msgspec


class InvalidArn(ValueError):
    """The text does not have the form `arn:partition:service:region:account:resource`."""


class Arn(msgspec.Struct, frozen=True):
    """One ARN; `region` and `account` may be empty (IAM, public registries)."""

    service: str
    region: str
    account: str
    resource: str
    partition: str = "aws"

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Split `text` into its six parts; raises InvalidArn."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
            raise InvalidArn(text)
        return cls(partition=parts[1], service=parts[2], region=parts[3], account=parts[4], resource=parts[5])

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"
