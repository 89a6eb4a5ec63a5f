"""Which kind of archive a path is."""

from __future__ import annotations

import asyncio

from roadstead.images.archives.docker_source import LIST, DockerSource
from roadstead.images.archives.files import Files
from roadstead.images.archives.layout_source import INDEX, MARKER, LayoutSource
from roadstead.images.errors import BadArchive


async def archive_source(files: Files) -> LayoutSource | DockerSource:
    """The source that these files are: an OCI layout where they say so, an archive of docker save otherwise. Raises BadArchive."""
    return await asyncio.to_thread(_source, files)


def _source(files: Files) -> LayoutSource | DockerSource:
    if files.size(MARKER) is not None and files.size(INDEX) is not None:
        return LayoutSource(files)
    if files.size(LIST) is not None:
        return DockerSource(files)
    raise BadArchive(f"{files.label} is neither an OCI layout ({MARKER}, {INDEX}) nor of docker save ({LIST})")
