"""The accounts of a deployment: operations of the internal service `roadstead`. Importing it declares them."""

from roadstead.services.accounts import accounts, service_control

__all__ = ["accounts", "service_control"]
