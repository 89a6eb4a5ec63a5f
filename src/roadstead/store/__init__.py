"""Database engine, transactions, outbox, leases, migrations; blobs in `blobs/`.

A service keeps its tables beside its code, on the one `metadata`:

    clusters = Table("ecs_clusters", metadata, Column("arn", String, primary_key=True), Column("created_at", Timestamp))

    async with store.transaction() as tx:
        await tx.execute(clusters.insert().values(arn=arn, created_at=tx.clock.now()))
        tx.emit(Event("ecs.cluster", account, region, arn))
"""

from roadstead.store import own_tables
from roadstead.store.base import Store
from roadstead.store.columns import BigSerial, Json, Timestamp
from roadstead.store.errors import (
    CommitFailed,
    DatabaseDiffers,
    DatabaseTooNew,
    NestedTransaction,
    ReadOnlyTransaction,
    StoreBusy,
    StoreError,
    StoreUnavailable,
    TransactionAborted,
    TransactionConflict,
    UnstorableValue,
)
from roadstead.store.lookup import Lookup
from roadstead.store.metadata import metadata
from roadstead.store.moments import Moments
from roadstead.store.opening import open_store
from roadstead.store.outbox import Event
from roadstead.store.pagination import InvalidToken, Page, Scope, page
from roadstead.store.result import Result
from roadstead.store.transaction import Transaction
from roadstead.store.wakeups import Subscription

_ = own_tables  # imported so that the metadata is complete

__all__ = [
    "BigSerial",
    "CommitFailed",
    "DatabaseDiffers",
    "DatabaseTooNew",
    "Event",
    "InvalidToken",
    "Json",
    "Lookup",
    "Moments",
    "NestedTransaction",
    "Page",
    "ReadOnlyTransaction",
    "Result",
    "Scope",
    "Store",
    "StoreBusy",
    "StoreError",
    "StoreUnavailable",
    "Subscription",
    "Timestamp",
    "Transaction",
    "TransactionAborted",
    "TransactionConflict",
    "UnstorableValue",
    "metadata",
    "open_store",
    "page",
]
