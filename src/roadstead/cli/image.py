"""`roadstead image`: images into and out of the registry, without Docker and without the internet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from roadstead.cli.failure import CommandFailed
from roadstead.images.commands import Caller, Format, copy_images, export_images, import_images
from roadstead.images.errors import ImageError
from roadstead.images.registry.deployment import AwsSettings
from roadstead.images.transfer import Wishes

app = App(name="image", help="Import, export and copy images: OCI layouts, docker save archives, registries.")

_Profile = Annotated[
    str | None, Parameter(help="The AWS profile; by default what the environment says, or `roadstead`.")
]
_Region = Annotated[str | None, Parameter(help="The region of names without one; by default the profile's.")]
_Endpoint = Annotated[str | None, Parameter(help="The deployment's endpoint; by default the profile's.")]
_Platform = Annotated[str | None, Parameter(help="One platform of an index (linux/arm64); by default all of them.")]
_Referrers = Annotated[bool, Parameter(negative="", help="Take along what refers to the image: signatures, SBOMs.")]
_Create = Annotated[bool, Parameter(negative="", help="Make repositories that are missing.")]
_AllTags = Annotated[bool, Parameter(negative="", help="Every tag of the repository.")]
_Outside = Annotated[
    bool, Parameter(negative="", help="Ask the source's host itself, also when its name is one of AWS's that we serve.")
]


@app.command(name="import")
def import_(
    archive: Path,
    destination: str | None = None,
    *,
    image: Annotated[
        tuple[str, ...], Parameter(negative="", help="An image of the archive, by name, tag or digest; repeatable.")
    ] = (),
    platform: _Platform = None,
    referrers: _Referrers = False,
    create: _Create = False,
    profile: _Profile = None,
    region: _Region = None,
    endpoint_url: _Endpoint = None,
) -> None:
    """Push the images of ARCHIVE (an OCI layout or what `docker save` wrote) to DESTINATION, or where their names say.

    DESTINATION is [HOST/]REPOSITORY[:TAG]; without a tag the tags of the archive are kept. An import that broke off goes on.
    """
    aws = AwsSettings(profile, region, endpoint_url)
    _run(aws, platform, referrers, create, lambda caller: import_images(caller, archive, destination, image))


@app.command
def export(
    *source: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="The directory or file to write.")],
    format: Annotated[
        Format | None, Parameter(help="By default oci-archive for names that end in .tar, oci otherwise.")
    ] = None,
    all_tags: _AllTags = False,
    platform: _Platform = None,
    referrers: _Referrers = False,
    outside: _Outside = False,
    profile: _Profile = None,
    region: _Region = None,
    endpoint_url: _Endpoint = None,
) -> None:
    """Pull images into an OCI layout or an archive that `docker load` reads; each SOURCE is [HOST/]REPOSITORY[:TAG|@DIGEST].

    Of a docker-archive that is to hold one platform of an index, --platform says which. An export that broke off goes on.
    """
    if not source:
        raise CommandFailed("say what to export: roadstead image export REPOSITORY:TAG --output FILE")
    kind: Format = format or ("oci-archive" if output.suffix == ".tar" else "oci")
    aws = AwsSettings(profile, region, endpoint_url)
    _run(
        aws,
        platform,
        referrers,
        False,
        lambda caller: export_images(caller, source, output, kind, all_tags=all_tags, outside=outside),
    )


@app.command
def copy(
    source: str,
    destination: str,
    *,
    all_tags: _AllTags = False,
    platform: _Platform = None,
    referrers: _Referrers = False,
    create: _Create = False,
    outside: _Outside = False,
    profile: _Profile = None,
    source_profile: Annotated[
        str | None, Parameter(help="The AWS profile that reads the source; by default the same.")
    ] = None,
    region: _Region = None,
    endpoint_url: _Endpoint = None,
) -> None:
    """Copy an image from SOURCE to DESTINATION, between repositories, accounts, regions and registries.

    Registries of others are asked with what docker login or podman login kept. A copy that broke off goes on.
    """
    aws = AwsSettings(profile, region, endpoint_url)
    reader = AwsSettings(source_profile, region) if source_profile is not None else None
    _run(
        aws,
        platform,
        referrers,
        create,
        lambda caller: copy_images(caller, source, destination, source_aws=reader, all_tags=all_tags, outside=outside),
    )


def _run(
    aws: AwsSettings,
    platform: str | None,
    referrers: bool,
    create: bool,
    work: Callable[[Caller], Coroutine[Any, Any, object]],
) -> None:
    """Do the work as this caller, and show how it goes."""
    from rich.console import Console

    from roadstead.cli.image_progress import showing

    try:
        with showing(Console(stderr=True)) as progress:
            asyncio.run(work(Caller(aws, Wishes(platform, referrers), create, progress)))
    except ImageError as error:
        raise CommandFailed(str(error)) from error
    except OSError as error:
        raise CommandFailed(f"{error.filename or 'input/output'}: {error.strerror or error}") from error
