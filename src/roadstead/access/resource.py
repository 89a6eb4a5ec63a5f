"""What a request names, as the decision needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from roadstead.kernel.arn import Arn, InvalidArn

KeyValues = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource with more than its name: what a condition can ask of it, and the policy that it has itself.

    `keys` are the condition keys that hold for it (`aws:ResourceTag/…`, `ecs:cluster`); `policy` is the text of its resource-based policy.
    With `trust` that is a role's trust policy, which has to allow even within one account.
    """

    arn: Arn | str
    keys: KeyValues = field(default_factory=dict[str, "str | Sequence[str]"])
    policy: str | None = None
    trust: bool = False

    @property
    def account(self) -> str | None:
        """Whose it is; None for `*` and for names without an account."""
        if isinstance(self.arn, Arn):
            return self.arn.account or None
        try:
            return Arn.parse(self.arn).account or None
        except InvalidArn:
            return None


Named = Arn | str | Resource
"""How an operation names a resource: by its ARN alone, or with what else is known of it."""


def resource_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The condition keys of a resource's tags."""
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
