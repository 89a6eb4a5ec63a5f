"""How an agent talks to the API: signed JSON calls and signed websockets, for both roles."""

from roadstead.agent.client.api import ApiClient
from roadstead.agent.client.credentials import (
    AgentIdentity,
    Credentials,
    CredentialSource,
    FileCredentials,
    FixedCredentials,
)
from roadstead.agent.client.errors import ApiError, ApiRefused, ApiUnreachable
from roadstead.agent.client.host_stream import HostStream, StreamLost
from roadstead.agent.client.links import LinkRefused, connect_link, link_url

__all__ = [
    "AgentIdentity",
    "ApiClient",
    "ApiError",
    "ApiRefused",
    "ApiUnreachable",
    "CredentialSource",
    "Credentials",
    "FileCredentials",
    "FixedCredentials",
    "HostStream",
    "LinkRefused",
    "StreamLost",
    "connect_link",
    "link_url",
]
