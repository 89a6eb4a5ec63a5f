"""What IAM keeps that no decision reads; the rest is in `access.tables`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from roadstead.store import Json, Timestamp, metadata

instance_profiles = Table(
    "iam_instance_profiles",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("profile_name", String(128), primary_key=True),
    Column("profile_id", String(32), nullable=False),
    Column("path", String(512), nullable=False),
    Column("role_name", String(64)),
    Column("created_at", Timestamp, nullable=False),
)
"""A profile holds one role at most."""
Index("ix_iam_instance_profiles_role", instance_profiles.c.account, instance_profiles.c.role_name)

login_profiles = Table(
    "iam_login_profiles",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("user_name", String(64), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    Column("password", LargeBinary, nullable=False),
    Column("reset_required", Boolean, nullable=False),
    Column("previous", Json, nullable=False),
    Column("changed_at", Timestamp, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""`password` is a hash under the user's own `salt`; `previous` are older hashes under the same salt in hexadecimal, the latest first."""

mfa_devices = Table(
    "iam_mfa_devices",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("device_name", String(226), primary_key=True),
    Column("path", String(512), nullable=False),
    Column("seed", LargeBinary, nullable=False),
    Column("user_name", String(64)),
    Column("enabled_at", Timestamp),
    Column("last_step", Integer, nullable=False),
    Column("drift", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""Virtual devices. `seed` is encrypted under the master key; `last_step` is the device's time step of the last code used, which never
counts again; `drift` is how many steps the device's clock is ahead of ours.
"""
Index("ix_iam_mfa_devices_user", mfa_devices.c.account, mfa_devices.c.user_name)

oidc_providers = Table(
    "iam_oidc_providers",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("url", String(255), primary_key=True),
    Column("scheme", String(5), nullable=False),
    Column("client_ids", Json, nullable=False),
    Column("thumbprints", Json, nullable=False),
    Column("created_at", Timestamp, nullable=False),
)
"""`url` is without its scheme, as in the provider's ARN."""

outbound_federation = Table(
    "iam_outbound_federation",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("issuer_id", String(36), nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False),
)
"""Accounts that vend tokens for others, or did."""

password_policies = Table(
    "iam_password_policies",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("policy", Json, nullable=False),
)

sts_preferences = Table(
    "iam_sts_preferences",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("global_endpoint_token_version", Integer, nullable=False),
)

account_aliases = Table(
    "iam_account_aliases",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("alias", String(63), nullable=False, unique=True),
)

access_key_uses = Table(
    "iam_access_key_uses",
    metadata,
    Column("access_key_id", String(128), primary_key=True),
    Column("service", String(64), nullable=False),
    Column("region", String(32), nullable=False),
    Column("used_at", Timestamp, nullable=False),
)
"""When a key signed a request that was let in for the last time."""

action_uses = Table(
    "iam_action_uses",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("entity_kind", String(8), primary_key=True),
    Column("entity_name", String(64), primary_key=True),
    Column("action", String(192), primary_key=True),
    Column("region", String(32), nullable=False),
    Column("used_at", Timestamp, nullable=False),
)
"""When a user, or a session of a role, was last allowed an action (`ecs:RunTask`)."""

credential_reports = Table(
    "iam_credential_reports",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("content", Text, nullable=False),
    Column("generated_at", Timestamp, nullable=False),
)

last_accessed_jobs = Table(
    "iam_last_accessed_jobs",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("job_id", String(36), primary_key=True),
    Column("entity_arn", String(2048), nullable=False),
    Column("granularity", String(16), nullable=False),
    Column("created_at", Timestamp, nullable=False),
)

role_deletions = Table(
    "iam_role_deletions",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("task_id", String(256), primary_key=True),
    Column("created_at", Timestamp, nullable=False),
)
"""Service-linked roles that were deleted, for GetServiceLinkedRoleDeletionStatus."""
