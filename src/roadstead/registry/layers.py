"""Layers by ticket: what GetDownloadUrlForLayer's URL answers. The ticket was authorised when it was given out."""

from __future__ import annotations

from http import HTTPStatus

from roadstead.access.sealing import ExpiredSeal, InvalidSeal
from roadstead.registry.blobs import blob_response
from roadstead.registry.call import Backend
from roadstead.registry.errors import RegistryError, blob_archived, blob_unknown
from roadstead.registry.http import Request, Response
from roadstead.services.ecr.api import find_blob, is_blob_archived, open_ticket


async def get_layer(backend: Backend, request: Request, ticket_text: str) -> Response:
    """GET and HEAD."""
    try:
        ticket = open_ticket(backend.sealer, ticket_text)
    except InvalidSeal as error:
        raise RegistryError(HTTPStatus.FORBIDDEN, "DENIED", "Access Denied") from error
    except ExpiredSeal as error:
        raise RegistryError(HTTPStatus.FORBIDDEN, "DENIED", "Request has expired") from error
    async with backend.storage.store.snapshot() as tx:
        blob = await find_blob(tx, ticket.key, ticket.digest)
        if blob is None:
            raise blob_unknown()
        if await is_blob_archived(tx, ticket.key, ticket.digest):
            raise blob_archived()
    return await blob_response(backend.storage.blobs, request, ticket.digest, blob)
