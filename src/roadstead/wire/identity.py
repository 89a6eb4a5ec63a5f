"""The identity of an agent as the server hands it over: the file `agent.json` of a data directory (mode 0600)."""

from __future__ import annotations

import msgspec


class AgentIdentity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which host this is, where the API is, and the host's own keys."""

    host_id: str
    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    relay_key: str = ""
    """Hexadecimal; what the relays of the host's VPCs sign with (`wire.relayed`)."""
