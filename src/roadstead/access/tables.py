"""What a decision reads. `services/iam` writes these rows and raises the account's revision in the same transaction."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text

from roadstead.store import Timestamp, metadata

account_revisions = Table(
    "iam_account_revisions",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
"""A new random number with every change of an account's identities or policies; caches are keyed by it.

Random, not counted: a number that was rolled back must never come again with other contents.
"""

users = Table(
    "iam_users",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("user_name", String(64), primary_key=True),
    Column("user_id", String(32), nullable=False),
    Column("path", String(512), nullable=False),
    Column("created_at", Timestamp, nullable=False),
)

access_keys = Table(
    "iam_access_keys",
    metadata,
    Column("access_key_id", String(128), primary_key=True),
    Column("account", String(12), nullable=False, index=True),
    Column("user_name", String(64), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""`secret` is encrypted under the master key."""

roles = Table(
    "iam_roles",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("role_name", String(64), primary_key=True),
    Column("role_id", String(32), nullable=False),
    Column("path", String(512), nullable=False),
    Column("trust_policy", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("max_session_duration", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)

inline_policies = Table(
    "iam_inline_policies",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("entity_kind", String(8), primary_key=True),
    Column("entity_name", String(64), primary_key=True),
    Column("policy_name", String(128), primary_key=True),
    Column("document", Text, nullable=False),
)
"""`entity_kind` is `user` or `role`."""

sealing_keys = Table(
    "access_sealing_keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""Keys of session tokens, encrypted under the master key."""
