"""Addresses of OpenID Connect identity providers.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html. Other than on AWS, a port may be part of the
address, and on this host's loopback and link-local addresses plain HTTP will do, as for the rest of the deployment.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

MAX_CHARACTERS = 255


class BadUrl(ValueError):
    """The text is no address of a provider."""


@dataclass(frozen=True, slots=True)
class ProviderUrl:
    """`https` or `http`, and the rest, which names the provider in its ARN and in condition keys."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}"


def provider_url(text: str) -> ProviderUrl:
    """The parts of a provider's URL; raises BadUrl."""
    url = checked_url(text)
    if url.query or url.fragment or text.endswith(("?", "#")) or len(text) > MAX_CHARACTERS:
        raise BadUrl(text)
    return ProviderUrl(url.scheme, text.partition("://")[2])


def checked_url(text: str) -> SplitResult:
    """An address that may be asked for keys: HTTPS, or HTTP on this host; raises BadUrl."""
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise BadUrl(text) from error
    if not url.hostname or url.username is not None or not text.isascii() or any(c <= " " for c in text):
        raise BadUrl(text)
    if url.scheme == "https" or (url.scheme == "http" and _is_local(url.hostname)):
        return url
    raise BadUrl(text)


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local
