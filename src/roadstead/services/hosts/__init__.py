"""Hosts and the resources they shall have: the internal service `roadstead`. Importing it declares its operations."""

from roadstead.services.hosts import hosts, resources

__all__ = ["hosts", "resources"]
