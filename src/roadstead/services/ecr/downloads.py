"""Layer URLs that need no further authentication: the place of S3's presigned URLs."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from roadstead.access.sealing import Sealer
from roadstead.services.ecr.keys import RepositoryKey

LIFETIME = timedelta(hours=1)
_PURPOSE = "ecr-layer"


class LayerTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to read one layer of one repository."""

    account: str
    region: str
    repository: str
    digest: str

    @property
    def key(self) -> RepositoryKey:
        """The repository."""
        return RepositoryKey(self.account, self.region, self.repository)


def issue_ticket(sealer: Sealer, key: RepositoryKey, digest: str, now: datetime) -> str:
    """A URL-safe ticket, good for LIFETIME."""
    ticket = LayerTicket(account=key.account, region=key.region, repository=key.name, digest=digest)
    return sealer.seal(_PURPOSE, ticket, now + LIFETIME)


def open_ticket(sealer: Sealer, text: str) -> LayerTicket:
    """Read a ticket; raises InvalidSeal or ExpiredSeal."""
    return sealer.open(_PURPOSE, text, LayerTicket)
