"""What STS keeps; sessions are kept by who holds them."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, String, Table

from roadstead.store import Timestamp, metadata

token_keys = Table(
    "sts_token_keys",
    metadata,
    Column("key_id", String(36), primary_key=True),
    Column("algorithm", String(8), nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""Keys that sign the tokens of GetWebIdentityToken; the private key is PEM, encrypted under the master key."""
