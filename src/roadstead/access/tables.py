"""What a decision reads. `services/iam` writes these rows and raises the account's revision in the same transaction."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

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
    Column("permissions_boundary", String(2048)),
    Column("created_at", Timestamp, nullable=False),
)
"""`permissions_boundary` is a managed policy's ARN."""

groups = Table(
    "iam_groups",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("group_name", String(128), primary_key=True),
    Column("group_id", String(32), nullable=False),
    Column("path", String(512), nullable=False),
    Column("created_at", Timestamp, nullable=False),
)

group_members = Table(
    "iam_group_members",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("user_name", String(64), primary_key=True),
    Column("group_name", String(128), primary_key=True),
)
Index("ix_iam_group_members_group", group_members.c.account, group_members.c.group_name)

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
    Column("permissions_boundary", String(2048)),
    Column("created_at", Timestamp, nullable=False),
)

inline_policies = Table(
    "iam_inline_policies",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("entity_kind", String(8), primary_key=True),
    Column("entity_name", String(128), primary_key=True),
    Column("policy_name", String(128), primary_key=True),
    Column("document", Text, nullable=False),
)
"""`entity_kind` is `user`, `group` or `role`."""

managed_policies = Table(
    "iam_managed_policies",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("policy_name", String(128), primary_key=True),
    Column("policy_id", String(32), nullable=False),
    Column("path", String(512), nullable=False),
    Column("description", Text, nullable=False),
    Column("default_version", Integer, nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
)
"""Customer managed policies; `latest_version` is the highest number ever given, whose version may be deleted."""

managed_policy_versions = Table(
    "iam_managed_policy_versions",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("policy_name", String(128), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)

attached_policies = Table(
    "iam_attached_policies",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("entity_kind", String(8), primary_key=True),
    Column("entity_name", String(128), primary_key=True),
    Column("policy_arn", String(2048), primary_key=True),
)
"""Managed policies of users, groups and roles; AWS's own have `aws` for an account in their ARN."""
Index("ix_iam_attached_policies_policy", attached_policies.c.account, attached_policies.c.policy_arn)

tags = Table(
    "iam_tags",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("entity_kind", String(32), primary_key=True),
    Column("entity_name", String(512), primary_key=True),
    Column("tag_key", String(128), primary_key=True),
    Column("tag_value", String(256), nullable=False),
)
"""Of users, roles, policies, instance profiles, MFA devices and OIDC providers; those of users and roles are their principals' tags."""

accounts = Table(
    "iam_accounts",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("name", String(50), nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""The accounts of the deployment: the default ones, and those that were made by name."""

service_control_policies = Table(
    "iam_service_control_policies",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("policy_name", String(128), primary_key=True),
    Column("document", Text, nullable=False),
)
"""What limits all of an account, its administrator too: one of them must allow, none may deny. An account without any is not limited."""

sealing_keys = Table(
    "access_sealing_keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""Keys of session tokens, encrypted under the master key."""
