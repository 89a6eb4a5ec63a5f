"""Events that tell of what belongs to a registry as a whole."""

from __future__ import annotations

from roadstead.store import Event, Transaction

TOPIC = "ecr.registry"


def emit_registry(tx: Transaction, account: str, region: str, change: str, **more: object) -> None:
    """Record a change of an account's registry in a region, or of its public one (`keys.PUBLIC`).

    `policy`, `setting`; `rule-`, `template-` and `exclusion-` with `created`, `updated` or `deleted`; of public ones `alias-created`,
    `alias-primary`, `alias-deleted`, `catalog`.
    """
    tx.emit(Event(TOPIC, account, region, account, {"change": change, **more}))
