"""Events that tell of repositories."""

from __future__ import annotations

from roadstead.services.ecr.keys import RepositoryKey
from roadstead.store import Event, Transaction

TOPIC = "ecr.repository"


def emit_repository(tx: Transaction, key: RepositoryKey, change: str, **more: object) -> None:
    """Record a change of a repository: `created`, `tagged`, `policy`, `mutability`, `lifecycle`, `lifecycle-preview` where one is started,
    `restoring` where an image is asked back from the archive, `catalog` of a public one, `deleted`.
    """
    payload = {"change": change, "repository": key.name, **more}
    tx.emit(Event(TOPIC, key.account, key.region, str(key.arn), payload))
