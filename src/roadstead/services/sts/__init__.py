"""STS: https://docs.aws.amazon.com/STS/latest/APIReference/."""

from roadstead.services.sts import (
    access_key_info,
    assume_role,
    authorization_message,
    federation_token,
    identity,
    own_tokens,
    session_token,
    tables,
    web_identity,
)

__all__ = [
    "access_key_info",
    "assume_role",
    "authorization_message",
    "federation_token",
    "identity",
    "own_tokens",
    "session_token",
    "tables",
    "web_identity",
]
