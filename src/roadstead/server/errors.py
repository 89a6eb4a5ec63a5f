"""Why a server does not come up."""

from __future__ import annotations


class ServerFailed(Exception):
    """The server can't run; the text says what to do. `status` is the process's exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


MISCONFIGURED = 78
"""Exit status of what trying again does not mend (EX_CONFIG of sysexits.h): a newer database, another master key."""
UNAVAILABLE = 69
"""Exit status of what may mend itself (EX_UNAVAILABLE): a database that is away, a port that is taken."""
