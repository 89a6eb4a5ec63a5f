"""Asking identity providers over HTTP: within bounds of time and size, without redirects, and with no trust but in certificates.

A provider's certificate has to come from an authority that this host trusts, or its chain has to hold a certificate whose SHA-1 thumbprint
the account gave. Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Sequence
from hashlib import sha1
from typing import Any

import aiohttp

from roadstead.services.iam.oidc_urls import checked_url

SECONDS = 5.0
"""For one document, from the connection to its last byte."""
_CONNECTIONS = 64
_DER = 2
"""`_ssl.ENCODING_DER`."""


class IssuerFailed(Exception):
    """An identity provider gave no document; the text says why."""


class IssuerAway(IssuerFailed):
    """It can't be reached, or says that it can't answer now."""


class IssuerUntrusted(IssuerFailed):
    """Its certificate comes from nobody whom this host trusts, and none of the thumbprints is in its chain."""


class IssuerRefused(IssuerFailed):
    """It answers something else than a document, or too much."""


class IssuerClient:
    """The HTTP client of a server for identity providers; `issuer_client` makes one."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, url: str, thumbprints: Sequence[str], limit: int) -> bytes:
        """The document at `url`, of `limit` bytes at most. Raises BadUrl and IssuerFailed."""
        scheme = checked_url(url).scheme
        try:
            async with asyncio.timeout(SECONDS):
                try:
                    return await self._get(url, True, limit)
                except aiohttp.ClientConnectorCertificateError as error:
                    pinned = await self._pinned(url, thumbprints) if scheme == "https" else None
                    if pinned is None:
                        raise IssuerUntrusted(f"{url}: {error.certificate_error}") from error
                    return await self._get(url, pinned, limit)
        except aiohttp.ClientConnectorCertificateError as error:
            raise IssuerUntrusted(f"{url}: {error.certificate_error}") from error
        except TimeoutError as error:
            raise IssuerAway(f"{url}: no answer within {SECONDS:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise IssuerAway(f"{url}: {error}") from error

    async def thumbprint(self, url: str) -> str:
        """The thumbprint of the last certificate that the host of `url` sends: the authority nearest to its root. Raises IssuerAway."""
        try:
            async with asyncio.timeout(SECONDS):
                chain = await _presented(url)
        except TimeoutError as error:
            raise IssuerAway(f"{url}: no answer within {SECONDS:.0f} s") from error
        except OSError as error:
            raise IssuerAway(f"{url}: {error}") from error
        return _thumbprint(chain[-1])

    async def _get(self, url: str, trust: ssl.SSLContext | bool, limit: int) -> bytes:
        async with self._session.get(url, ssl=trust, allow_redirects=False) as response:
            if response.status >= 500 or response.status == 429:
                raise IssuerAway(f"{url}: HTTP status {response.status}")
            if response.status != 200:
                raise IssuerRefused(f"{url}: HTTP status {response.status}")
            found = bytearray()
            async for chunk in response.content.iter_chunked(64 * 1024):
                found += chunk
                if len(found) > limit:
                    raise IssuerRefused(f"{url}: more than {limit} bytes")
            return bytes(found)

    async def _pinned(self, url: str, thumbprints: Sequence[str]) -> ssl.SSLContext | None:
        """Trust in the one certificate of the presented chain that has a thumbprint; the connection is verified up to it."""
        wanted = {text.lower() for text in thumbprints}
        if not wanted:
            return None
        found = next((der for der in await _presented(url) if _thumbprint(der) in wanted), None)
        if found is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=found)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


@contextlib.asynccontextmanager
async def issuer_client() -> AsyncGenerator[IssuerClient]:
    """A client that lives as long as the context."""
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, limit_per_host=4, force_close=True)
    headers = {"Accept": "application/json", "User-Agent": "roadstead"}
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        yield IssuerClient(session)


def _thumbprint(der: bytes) -> str:
    return sha1(der, usedforsecurity=False).hexdigest()


async def _presented(url: str) -> list[bytes]:
    """The certificates that a host sends, its own first, as DER; nothing of them is verified."""
    parts = checked_url(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(
        parts.hostname, parts.port or 443, ssl=context, server_hostname=parts.hostname
    )
    try:
        return _chain(writer.get_extra_info("ssl_object"))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _chain(connection: Any) -> list[bytes]:
    """Python has a public name for this from 3.13 on."""
    if hasattr(connection, "get_unverified_chain"):
        return [bytes(der) for der in connection.get_unverified_chain()]
    return [certificate.public_bytes(_DER) for certificate in connection._sslobj.get_unverified_chain()]
