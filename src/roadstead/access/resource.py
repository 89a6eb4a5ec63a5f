"""What a request names, as the decision needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from roadstead.kernel.arn import Arn, InvalidArn

KeyValues = Mapping[str, str | Sequence[str]]
ReadKeys = Callable[[], Awaitable[KeyValues]]
_OF_A_TAG = ":resourcetag/"


class Resource(msgspec.Struct, frozen=True):
    """A resource with more than its name: what a condition can ask of it, and the policy that it has itself.

    `keys` are the condition keys that hold for it (`aws:ResourceTag/…`, `ecs:cluster`); `policy` is the text of its resource-based policy.
    With `trust` that is a role's trust policy, which has to allow even within one account. `owner` is the account of a resource whatever
    its ARN says. `tags` reads the condition keys of its tags, where `keys` does not have them: that is a look at the database, and is left
    out where no policy that applies asks for any of them.
    """

    arn: Arn | str
    keys: KeyValues = {}
    policy: str | None = None
    trust: bool = False
    owner: str | None = None
    tags: ReadKeys | None = None

    async def with_tags(self) -> Resource:
        """The same with the condition keys of its tags among its keys."""
        if self.tags is None:
            return self
        return replace(self, keys={**await self.tags(), **self.keys}, tags=None)

    @property
    def account(self) -> str | None:
        """Whose it is; None for `*` and for names without an account, unless an owner is told."""
        if self.owner is not None:
            return self.owner
        if isinstance(self.arn, Arn):
            return self.arn.account or None
        try:
            return Arn.parse(self.arn).account or None
        except InvalidArn:
            return None


Named = Arn | str | Resource
"""How an operation names a resource: by its ARN alone, or with what else is known of it."""


def name_tags(keys: Iterable[str]) -> bool:
    """Whether one of these condition keys, in lower case, is a resource's tag: `aws:resourcetag/team`, `ecs:resourcetag/team`."""
    return any(_OF_A_TAG in key for key in keys)


def resource_tags(tags: Mapping[str, str], service: str | None = None) -> dict[str, str]:
    """The condition keys of a resource's tags, for a `service` with a key of its own (`ecs:ResourceTag/…`) that one too."""
    prefixes = ("aws",) if service is None else ("aws", service)
    return {f"{prefix}:ResourceTag/{key}": value for prefix in prefixes for key, value in tags.items()}
