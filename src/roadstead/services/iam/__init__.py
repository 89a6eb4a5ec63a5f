"""IAM: https://docs.aws.amazon.com/IAM/latest/APIReference/ (tables in access/, which reads them on every request)."""

from roadstead.services.iam import access_keys, inline_policies, roles, tables, users

__all__ = ["access_keys", "inline_policies", "roles", "tables", "users"]
