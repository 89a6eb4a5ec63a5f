"""Every table of the store itself: importing this module puts them all on the metadata."""

from roadstead.store.blobs.sessions import blob_uploads
from roadstead.store.consumers import consumers
from roadstead.store.idempotency import idempotency_tokens
from roadstead.store.keys import signing_keys
from roadstead.store.leases import leases
from roadstead.store.migrations.fingerprint import schema_fingerprints
from roadstead.store.outbox import outbox

__all__ = ["blob_uploads", "consumers", "idempotency_tokens", "leases", "outbox", "schema_fingerprints", "signing_keys"]
