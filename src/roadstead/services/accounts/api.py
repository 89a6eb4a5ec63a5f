"""What the server and other services ask of accounts."""

from roadstead.services.accounts.records import account_exists, ensure_default_account

__all__ = ["account_exists", "ensure_default_account"]
