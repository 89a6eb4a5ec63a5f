"""ECR's quotas; each can be set for the deployment (`[ecr.quotas]` of roadstead.toml).

Source: https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html, and of public registries
https://docs.aws.amazon.com/AmazonECR/latest/public/public-service-quotas.html. `RepositoryBytes`, `RegistryBytes` and the rates of
public pulls are Roadstead's own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from types import MappingProxyType

from sqlalchemy import Select

from roadstead.kernel.settings import Deployment
from roadstead.services.ecr.errors import LimitExceededException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.store import Transaction

_MIB = 1024 * 1024

QUOTAS = MappingProxyType(
    {
        "RepositoriesPerRegistry": 100_000,
        "ImagesPerRepository": 100_000,
        "TagsPerImage": 1_000,
        "LifecyclePolicyRules": 50,
        "PullThroughCacheRules": 50,
        "RepositoryCreationTemplates": 50,
        "PullTimeUpdateExclusions": 100,
        "LayerBytes": 52_000 * _MIB,
        "LayerParts": 4_200,
        "LayerPartBytes": 10 * _MIB,
        "LayerPartMinimumBytes": 5 * _MIB,
        "PublicImagesPerRepository": 100_000,
        "PublicLayerBytes": 10_000 * _MIB,
        "PublicLayerParts": 1_000,
        "PublicLayerPartBytes": 10 * _MIB,
        "PublicLayerPartMinimumBytes": 5 * _MIB,
        "PublicRepositoriesPerRegistry": 10_000,
        "PublicTagsPerImage": 1_000,
        "RepositoryBytes": 0,
        "RegistryBytes": 0,
        "PublicPullsPerSecond": 100,
        "PublicAnonymousPullsPerSecond": 10,
    }
)
"""Names and AWS's numbers. `RepositoryBytes` and `RegistryBytes` bound the content of a repository and of an account's registry in a
region (byte_quotas); 0 is no bound, as on AWS. A public pull is a GET of a manifest: of an account, and of an address without one; AWS has 10 and 1
a second, 0 is no bound. Where a quota has a namesake with Public before it, that one is for public registries."""

_SHARE = 16
_REMEMBERED = 10_000


class RegistryLimits:
    """The quotas of a deployment, and how near things are to them.

    Counting costs time in proportion to what there is. So what is far from its limit is not counted each time: a count is good for a
    sixteenth of the room that it found, which keeps the limit while up to sixteen servers work on a database.
    """

    def __init__(self, quotas: Mapping[str, int] = MappingProxyType({})) -> None:
        self._quotas = {**QUOTAS, **quotas}
        self._room: OrderedDict[tuple[str, Hashable], int] = OrderedDict()

    def __getitem__(self, name: str) -> int:
        """How many of `name` there may be."""
        return self._quotas[name]

    def of(self, key: RepositoryKey, name: str) -> tuple[str, int]:
        """The quota that is for the repository's registry, private or public: its name and how many there may be."""
        found = f"Public{name}" if key.is_public else name
        return found, self._quotas[found]

    async def take(
        self, tx: Transaction, name: str, of: Hashable, count: Select[int], message: str, *, amount: int = 1
    ) -> None:
        """Return when `amount` more of `name` of a repository or registry fit, where `count` counts what there is.

        Raises LimitExceededException with `message`.
        """
        room = self._room.pop((name, of), 0)
        if room < amount:
            present = int((await tx.execute(count)).scalar() or 0)
            check_room(name, self[name], present + amount - 1, message)
            room = (self[name] - present) // _SHARE
        self._room[name, of] = room - amount
        if len(self._room) > _REMEMBERED:
            self._room.popitem(last=False)


def quota(deployment: Deployment, name: str) -> int:
    """How many of `name` there may be."""
    return deployment.ecr_quotas.get(name, QUOTAS[name])


def check_quota(deployment: Deployment, name: str, present: int, message: str) -> None:
    """Return when one more fits beside those `present`; raises LimitExceededException with `message` and the number."""
    check_room(name, quota(deployment, name), present, message)


def check_room(name: str, limit: int, present: int, message: str) -> None:
    """Return when one more fits beside those `present`; raises LimitExceededException with `message` and the number."""
    if present >= limit:
        raise LimitExceededException(f"{message} (quota {name}: {limit})")
