"""Which members of requests and answers are secret, whatever a service's model says of them."""

from __future__ import annotations

import re
from functools import lru_cache

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""What stands in an event for a secret; CloudTrail's own words."""

_ENDINGS = (
    "accesskey",
    "apikey",
    "assertion",
    "authenticationcode1",
    "authenticationcode2",
    "credential",
    "credentials",
    "passphrase",
    "password",
    "passworddata",
    "plaintext",
    "presharedkey",
    "privatekey",
    "qrcodepng",
    "secret",
    "secretbinary",
    "secretkey",
    "secretstring",
    "seed",
    "signature",
    "token",
    "tokencode",
    "tokenvalue",
    "userdata",
)
_HARMLESS = frozenset(
    {
        "clientrequesttoken",
        "clienttoken",
        "continuationtoken",
        "idempotencytoken",
        "nextbackwardtoken",
        "nextforwardtoken",
        "nexttoken",
        "paginationtoken",
        "previoustoken",
        "sequencetoken",
        "expectedsequencetoken",
        "nextsequencetoken",
        "uploadsequencetoken",
    }
)
"""Tokens that mark a place or a repetition and open nothing."""
_CONTENT = frozenset({"logevents"})
"""What users write, not what they ask for."""
_SEPARATORS = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=8192)
def is_secret(name: str) -> bool:
    """Whether a text, number or blob of this name is hidden: `Password`, `splunk-token`, `SecretAccessKey`, `Base32StringSeed`."""
    bare = _SEPARATORS.sub("", name.lower())
    return bare.endswith(_ENDINGS) and bare not in _HARMLESS


def is_content(name: str) -> bool:
    """Whether a member of this name holds a user's own data, which a trail is no place for."""
    return name.lower() in _CONTENT


def scrubbed(message: str, hidden: list[str]) -> str:
    """An error's message without the secrets that it repeats; validators quote the beginning of a long value."""
    for value in hidden:
        for quoted in (value, value[:1024]):
            if quoted and quoted in message:
                message = message.replace(quoted, HIDDEN)
    return message
