"""Decisions about addresses: default layout, free addresses, MACs. Pure."""
