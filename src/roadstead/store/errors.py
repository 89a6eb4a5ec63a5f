"""What the store raises. Errors of single statements (IntegrityError and its kin) are SQLAlchemy's own."""

from __future__ import annotations


class StoreError(Exception):
    """Anything that the store refuses or fails to do."""


class StoreUnavailable(StoreError):
    """The database can't be reached, can't do its work (its disk is full, it takes no writes) or is closed; nothing of the transaction is kept."""


class StoreBusy(StoreError):
    """Another process held SQLite's write lock, or others PostgreSQL's connections, for longer than the store waits."""


class CommitFailed(StoreError):
    """The commit failed (disk full, I/O error, connection lost): the transaction was not acknowledged and must be taken as undone.

    After a lost connection or a crash right afterwards its effects may still turn up, as with every database.
    """


class TransactionConflict(StoreError):
    """A concurrent transaction changed what this one read; run it again. `Store.run` does."""


class TransactionAborted(StoreError):
    """A statement failed earlier in this transaction, outside of a savepoint, so it can only be rolled back."""


class NestedTransaction(StoreError):
    """A task opened a second transaction while it holds the only writer; it would wait for itself."""


class ReadOnlyTransaction(StoreError):
    """A write or an event inside of a snapshot."""


class UnstorableValue(StoreError):
    """A statement was given a value that no column can hold or equal; who sent it is to be told, trying again does not help.

    Text with U+0000, which PostgreSQL does not take, or with half of a surrogate pair; a number past 64 bits; on PostgreSQL a text
    that is longer than its column.
    """


class UnsuitableDatabase(StoreError):
    """The database's tables are not what this program works on; trying again does not mend it."""


class DatabaseTooNew(UnsuitableDatabase):
    """The database was migrated by a newer Roadstead than this one."""


class DatabaseDiffers(UnsuitableDatabase):
    """The database is at a revision of this program's by number, made when that was not released yet and had other tables."""
