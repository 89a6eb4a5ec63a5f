"""What users and roles share: ARNs, resource readers and the check of policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from roadstead.core.policy.document import MalformedPolicy, PolicyDocument, parse_policy
from roadstead.kernel.arn import Arn
from roadstead.services.iam.errors import MalformedPolicyDocumentException
from roadstead.services.operation import Context


class Resources(Protocol):
    """Reads the ARNs that a request names."""

    async def __call__(self, ctx: Context, request: dict[str, str]) -> Sequence[Arn | str]:
        """The ARNs."""
        ...


def entity_arn(account: str, kind: str, path: str, name: str) -> Arn:
    """The ARN of a `user` or `role`; `path` begins and ends with a slash."""
    return Arn(service="iam", region="", account=account, resource=f"{kind}{path}{name}")


def checked_policy(text: str, *, trust: bool = False) -> PolicyDocument:
    """Parse a policy, wording what is wrong as IAM does."""
    try:
        return parse_policy(text, trust=trust)
    except MalformedPolicy as error:
        raise MalformedPolicyDocumentException(str(error)) from error
