"""What the server asks of accounts."""

from roadstead.services.accounts.records import ensure_default_account

__all__ = ["ensure_default_account"]
