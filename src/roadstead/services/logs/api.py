"""What other parts of the server may use of CloudWatch Logs."""

from roadstead.services.logs.retention import expire_events, remove_leftovers

__all__ = ["expire_events", "remove_leftovers"]
